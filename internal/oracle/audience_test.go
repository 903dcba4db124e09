package oracle_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
)

// onlyFor is a plan with one experiment on everybody in an audience.
func onlyFor(audience string) *strata.Plan {
	return &strata.Plan{
		Layers: []strata.Layer{{Key: "l"}},
		Experiments: []strata.Experiment{{
			Key: "e", Layer: "l", Status: strata.StatusRunning, Buckets: strata.AllBuckets(), Audience: audience,
			Treatments: []strata.Treatment{{Key: "t", Weight: 1}, {Key: "u"}},
		}},
	}
}

// What docs/audience.md says, sentence by sentence.
func TestAudiences(t *testing.T) {
	attributes := map[string]any{
		"country": "DE", "age": 18, "app_version": 5.5, "premium": true, "tags": []string{"beta"}, "email": "ada@example.com",
		"page": "/shop/shoes", "user.country": "AT", "text": "5", "nothing": nil, "written": json.Number("7"),
	}
	for audience, want := range map[string]bool{
		``: true, ` `: true,
		`country in ["DE", "AT"] && app_version >= 5 && not (plan == "trial")`: false, // plan is missing
		`country in ["DE", "AT"] && app_version >= 5`:                          true,
		`country != "DE"`:                   false,
		`18 <= age and age < 19`:            true,
		`age in [17, 18.0]`:                 true,
		`age not in [17]`:                   true,
		`"beta" in tags`:                    true,
		`"alpha" not in tags`:               true,
		`email endsWith '@example.com'`:     true,
		`page matches "^/shop/" && premium`: true,
		`user.country == "AT"`:              true,
		`written == 7`:                      true,

		`city == "x"`: false, `city != "x"`: false, `not (city == "x")`: false, `city not in ["x"]`: false, `"x" not in cities`: false,
		`city == "x" or premium`: true, `not (city == "x" and not premium)`: true, `not (city == "x" or premium)`: false,
		`city == nil`: true, `nothing == nil`: true, `city != nil`: false, `country != nil`: true,
		`text == 5`: false, `text != 5`: false, `not (text < 6)`: false, `not (country)`: false, // other types
		`!premium`: false, `not not premium`: true, `premium == true`: true, `true`: true, `false`: false,
	} {
		model, err := oracle.NewPlan(onlyFor(audience))
		require.NoError(t, err)
		got := model.Treatments(noon, &strata.Unit{User: "u", Attributes: attributes}, nil)
		require.Equal(t, want, got["e"] == "t", "%s", audience)
	}
}

// What is not part of the language is an error, and one of the library as well.
func TestAudiencesThatAreNone(t *testing.T) {
	for _, audience := range []string{
		`country ==`, `== "DE"`, `country = "DE"`, `country == "DE`, `(premium`, `premium)`, `premium premium`, `premium and`,
		`country < "DE"`, `country in "DE"`, `country in ["DE", 5]`, `country in ["DE"`, `country contains 5`, `page matches "("`,
		`not country == "DE"`, `not 5`, `5`, `"DE"`, `nil`, `5 == 5`, `"a" < b`, `premium < true`, `country < nil`, `tags == ["x"]`,
		`len(tags) > 1`, `age + 1 > 5`, `now() > 5`, `country in [true]`, `"a" contains page`, `not`, `5 in age`, `#`,
	} {
		_, err := oracle.NewPlan(onlyFor(audience))
		require.ErrorContains(t, err, "audience", "%s", audience)
		_, err = strata.Compile(onlyFor(audience), noon)
		require.ErrorIs(t, err, strata.ErrInvalidPlan, "%s", audience)
	}
}

// FuzzAudiences looks for conditions that both take and that mean two things.
func FuzzAudiences(f *testing.F) {
	for _, c := range conditions {
		f.Add(c, uint64(1))
	}
	f.Fuzz(func(t *testing.T, audience string, seed uint64) {
		model, err := oracle.NewPlan(onlyFor(audience))
		if err != nil {
			return
		}
		snap, err := strata.Compile(onlyFor(audience), noon)
		if err != nil {
			return // the language has what the documentation says, and rules for its types
		}
		random := rand.New(rand.NewPCG(seed, 4))
		for range 20 {
			u := strata.Unit{User: "u", Attributes: drawAttributes(random)}
			a := snap.Assign(u)
			require.Equal(t, model.Treatments(noon, &u, nil)["e"], a.Peek("e"), "%s, of %v", audience, u.Attributes)
		}
	})
}
