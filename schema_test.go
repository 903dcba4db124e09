package strata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// docs/plan.schema.json is made from the Go types of a plan, their doc comments
// and their constants. To write it again:
//
//	go test -run TestSchema -update .
const schemaFile = "docs/plan.schema.json"

// schema is the part of JSON Schema (draft 2020-12) that a plan needs.
type schema struct {
	Schema      string     `json:"$schema,omitempty"`
	Title       string     `json:"title,omitempty"`
	Ref         string     `json:"$ref,omitempty"`
	Description string     `json:"description,omitempty"`
	Type        string     `json:"type,omitempty"`
	Format      string     `json:"format,omitempty"`
	Pattern     string     `json:"pattern,omitempty"`
	Enum        []string   `json:"enum,omitempty"`
	Items       *schema    `json:"items,omitempty"`
	Properties  properties `json:"properties,omitempty"`
	Required    []string   `json:"required,omitempty"`
	Additional  *bool      `json:"additionalProperties,omitempty"`
	Defs        properties `json:"$defs,omitempty"`
}

// properties are schemas by name, in the order of the Go fields.
type properties []property

type property struct {
	name   string
	schema *schema
}

func (p properties) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, x := range p {
		if i > 0 {
			out.WriteByte(',')
		}
		text, err := json.Marshal(x.schema)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "%q:%s", x.name, text)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

func (p *properties) UnmarshalJSON(data []byte) error {
	var all map[string]*schema
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		*p = append(*p, property{name, all[name]})
	}
	return nil
}

func (p properties) find(name string) *schema {
	for _, x := range p {
		if x.name == name {
			return x.schema
		}
	}
	return nil
}

// goSource is what the Go files say beyond what reflection can see: doc
// comments by "Type" or "Type.Field", and the constants of string types.
type goSource struct {
	docs  map[string]string
	enums map[string][]string
}

func readGoSource(t *testing.T) goSource {
	t.Helper()
	src := goSource{docs: make(map[string]string), enums: make(map[string][]string)}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			decl, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					src.typeSpec(spec, decl)
				case *ast.ValueSpec:
					src.constant(spec)
				}
			}
		}
	}
	return src
}

func (src goSource) typeSpec(spec *ast.TypeSpec, decl *ast.GenDecl) {
	src.docs[spec.Name.Name] = docText(decl.Doc, spec.Doc)
	fields, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range fields.Fields.List {
		for _, name := range f.Names {
			src.docs[spec.Name.Name+"."+name.Name] = docText(f.Doc, f.Comment)
		}
	}
}

// constant notes a constant of a named string type, unless it is empty: an
// empty value is left out of the document.
func (src goSource) constant(spec *ast.ValueSpec) {
	kind, ok := spec.Type.(*ast.Ident)
	if !ok || len(spec.Values) != 1 {
		return
	}
	if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
		if text, err := strconv.Unquote(lit.Value); err == nil && text != "" {
			src.enums[kind.Name] = append(src.enums[kind.Name], text)
		}
	}
}

var docLink = regexp.MustCompile(`\[([A-Za-z.]+)\]`)

// docText is a doc comment as running text.
func docText(groups ...*ast.CommentGroup) string {
	for _, g := range groups {
		if text := strings.TrimSpace(g.Text()); text != "" {
			paragraphs := strings.Split(text, "\n\n")
			for i, p := range paragraphs {
				paragraphs[i] = strings.Join(strings.Fields(p), " ")
			}
			return docLink.ReplaceAllString(strings.Join(paragraphs, "\n"), "$1")
		}
	}
	return ""
}

const (
	keyPattern      = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
	bucketsPattern  = "^([0-9]{1,4}(-[0-9]{1,4})?(, *[0-9]{1,4}(-[0-9]{1,4})?)*)?$"
	durationPattern = "^(0|([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$"
)

// schemaBuilder turns Go types into schemas; structs become definitions.
type schemaBuilder struct {
	src  goSource
	defs map[string]*schema
	used []string
}

func (b *schemaBuilder) of(t reflect.Type) *schema {
	switch t {
	case reflect.TypeFor[time.Time]():
		return &schema{Type: "string", Format: "date-time"}
	case reflect.TypeFor[Buckets]():
		return &schema{Type: "string", Pattern: bucketsPattern}
	case reflect.TypeFor[Kind](): // a metric counts what units do, and not exposures
		kinds := slices.DeleteFunc(slices.Clone(b.src.enums["Kind"]), func(k string) bool { return k == string(KindExposure) })
		return &schema{Type: "string", Enum: kinds}
	case reflect.TypeFor[Duration]():
		return &schema{Type: "string", Pattern: durationPattern}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return b.of(t.Elem())
	case reflect.Struct:
		b.define(t)
		return &schema{Ref: "#/$defs/" + t.Name()}
	case reflect.Slice:
		return &schema{Type: "array", Items: b.of(t.Elem())}
	case reflect.Map:
		yes := true
		return &schema{Type: "object", Additional: &yes}
	case reflect.String:
		return &schema{Type: "string", Enum: b.src.enums[t.Name()]}
	case reflect.Int, reflect.Int64:
		return &schema{Type: "integer"}
	case reflect.Float64:
		return &schema{Type: "number"}
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Interface:
		return &schema{} // anything
	default:
		panic("a plan holds a " + t.String() + ", which the schema does not know")
	}
}

func (b *schemaBuilder) define(t reflect.Type) {
	if b.defs[t.Name()] == nil {
		b.defs[t.Name()] = &schema{} // ends recursion
		b.used = append(b.used, t.Name())
		*b.defs[t.Name()] = *b.object(t)
	}
}

func (b *schemaBuilder) object(t reflect.Type) *schema {
	no := false
	s := &schema{Type: "object", Description: b.src.docs[t.Name()], Additional: &no}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		p := b.of(f.Type)
		p.Description = b.src.docs[t.Name()+"."+f.Name]
		if name == "key" {
			p.Pattern = keyPattern
		}
		s.Properties = append(s.Properties, property{name, p})
		if options == "" {
			s.Required = append(s.Required, name)
		}
	}
	return s
}

func planSchema(t *testing.T) []byte {
	t.Helper()
	b := &schemaBuilder{src: readGoSource(t), defs: make(map[string]*schema)}
	root := b.object(reflect.TypeFor[Plan]())
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "A strata plan"
	for _, name := range b.used {
		root.Defs = append(root.Defs, property{name, b.defs[name]})
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	require.NoError(t, enc.Encode(root))
	// The properties encode themselves, and encoding/json escapes those.
	return []byte(strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(out.String()))
}

func TestSchemaFollowsTheTypes(t *testing.T) {
	want := planSchema(t)
	if *updateGolden {
		require.NoError(t, os.WriteFile(schemaFile, want, 0o644))
	}
	got, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	if bytes.Equal(want, got) {
		return
	}
	lines, old := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i, line := range lines {
		if i >= len(old) || line != old[i] {
			t.Fatalf("%s is not what the types, comments and constants of a plan say; run go test -run TestSchema -update . The first difference is in line %d, which should be\n%s", schemaFile, i+1, line)
		}
	}
	t.Fatalf("%s has %d lines too many; run go test -run TestSchema -update .", schemaFile, len(old)-len(lines))
}

// Every enumeration and every field has found its text.
func TestSchemaIsComplete(t *testing.T) {
	var root schema
	require.NoError(t, json.Unmarshal(planSchema(t), &root))
	for field, want := range map[string][]string{
		"Parameter.type":    {"bool", "int", "float", "string", "json"},
		"Layer.diversion":   {"tenant", "user", "device", "session", "request"},
		"Experiment.status": {"draft", "running", "intake_closed", "stopped"},
		"Metric.type":       {"conversion", "count", "sum", "mean", "ratio", "funnel"},
		"Metric.direction":  {"increase", "decrease"},
		"Measure.event":     {"page_view", "click", "purchase", "conversion", "custom"},
		"Measure.value":     {"value", "total", "discount", "items"},
	} {
		def, name, _ := strings.Cut(field, ".")
		require.Equal(t, want, root.Defs.find(def).Properties.find(name).Enum, field)
	}
	for _, x := range root.Defs {
		require.NotEmpty(t, x.schema.Description, x.name)
		require.False(t, *x.schema.Additional, x.name)
	}
}

// Plans conform to the schema exactly where ParsePlan takes them: what strata
// writes does, and what it refuses for its form does not.
func TestSchemaAgreesWithParsePlan(t *testing.T) {
	var root schema
	require.NoError(t, json.Unmarshal(planSchema(t), &root))
	good := goldenInput{Layer: "l", Experiment: "e", Weights: []int{1, 2}}.plan("vip")
	good.Version, good.EffectiveAt = 3, time.Date(2025, 6, 2, 12, 0, 0, 0, time.UTC)
	good.Parameters = []Parameter{{Key: "p", Type: TypeJSON, Default: map[string]any{"a": []any{1, nil}}}}
	good.Domains = []Domain{{Key: "d", Layer: "l2", Buckets: BucketList(1, 2, 3, 77)}}
	good.Experiments[0].Schedule = Schedule{Start: good.EffectiveAt, Ramp: []RampStep{{good.EffectiveAt, 0.5}}}
	good.Experiments[0].Treatments[1].Values = Values{"p": true}
	good.Metrics = []Metric{{Key: "m", Type: MetricRatio, Window: Duration(90 * time.Minute), Measure: Measure{Event: KindClick}, Denominator: &Measure{Event: KindPageView}}}
	good.Ledger = []Tenure{{Layer: "l", Holder: "x", Buckets: AllBuckets(), Until: good.EffectiveAt}}
	text, err := json.Marshal(good)
	require.NoError(t, err)
	require.Empty(t, violations(&root, &root, decoded(t, string(text)), ""))

	for _, text := range []string{
		`{"x":1}`, `{"layers":[{"key":"a","slat":"b"}]}`, `[]`, `{"version":"1"}`, `{"domains":[{"key":"d","layer":"l","buckets":[1]}]}`,
		`{"domains":[{"key":"d","layer":"l","buckets":"1-"}]}`, `{"metrics":[{"key":"m","type":"count","window":"3 days"}]}`,
	} {
		_, err := ParsePlan([]byte(text))
		require.Error(t, err, text)
		require.NotEmpty(t, violations(&root, &root, decoded(t, text), ""), text)
	}
}

func decoded(t *testing.T, text string) (v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &v))
	return v
}

// violations checks a document against the part of JSON Schema that is used
// here.
func violations(root, s *schema, v any, path string) (list []string) {
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		s = root.Defs.find(name)
	}
	kind := map[string]func() bool{
		"":        func() bool { return true },
		"object":  func() bool { _, ok := v.(map[string]any); return ok },
		"array":   func() bool { _, ok := v.([]any); return ok },
		"string":  func() bool { _, ok := v.(string); return ok },
		"boolean": func() bool { _, ok := v.(bool); return ok },
		"number":  func() bool { _, ok := v.(float64); return ok },
		"integer": func() bool { f, ok := v.(float64); return ok && f == float64(int64(f)) },
	}[s.Type]
	if !kind() {
		return []string{path + ": not of type " + s.Type}
	}
	switch v := v.(type) {
	case string:
		if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) || s.Enum != nil && !slices.Contains(s.Enum, v) {
			list = append(list, path+": "+v)
		}
	case []any:
		for i := range v {
			if s.Items != nil {
				list = append(list, violations(root, s.Items, v[i], fmt.Sprintf("%s[%d]", path, i))...)
			}
		}
	case map[string]any:
		for name, member := range v {
			if p := s.Properties.find(name); p != nil {
				list = append(list, violations(root, p, member, path+"."+name)...)
			} else if s.Additional != nil && !*s.Additional {
				list = append(list, path+"."+name+": unknown")
			}
		}
		for _, name := range s.Required {
			if _, there := v[name]; !there {
				list = append(list, path+"."+name+": missing")
			}
		}
	}
	return list
}
