package strata

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawRecord makes any record that the codec may meet.
func drawRecord(t *rapid.T) (Unit, Event, byte) {
	text := rapid.String()
	u := Unit{User: text.Draw(t, "user"), Device: text.Draw(t, "device"), Session: text.Draw(t, "session"), Tenant: text.Draw(t, "tenant"), Request: text.Draw(t, "request")}
	at := time.UnixMicro(rapid.Int64Range(-1<<50, 1<<52).Draw(t, "time")).UTC()
	number := rapid.Float64().Filter(func(f float64) bool { return !math.IsNaN(f) })
	events := []Event{
		PageView{at, text.Draw(t, "page"), text.Draw(t, "referrer")},
		Click{at, text.Draw(t, "target"), text.Draw(t, "page")},
		Conversion{at, text.Draw(t, "goal"), number.Draw(t, "value")},
		Purchase{at, text.Draw(t, "order"), rapid.Int64().Draw(t, "total"), rapid.Int64().Draw(t, "discount"), "EUR", drawItems(t)},
		Custom{at, text.Draw(t, "name"), number.Draw(t, "value"), drawProperties(t)},
		Exposure{
			Time: at, Experiment: text.Draw(t, "experiment"), Phase: rapid.Int().Draw(t, "phase"), Treatment: text.Draw(t, "treatment"),
			Diversion: ByDevice, Bucket: rapid.IntRange(-1, NumBuckets-1).Draw(t, "bucket"),
			Hash: rapid.Uint64().Draw(t, "hash"), Version: rapid.Int64().Draw(t, "version"),
			Attributes: drawAttributes(t),
		},
	}
	return u, rapid.SampledFrom(events).Draw(t, "event"), rapid.SampledFrom([]byte{0, flagForced}).Draw(t, "flags")
}

func drawAttributes(t *rapid.T) map[string]string {
	attributes := rapid.MapOfN(rapid.String(), rapid.String(), 0, maxBreakdowns).Draw(t, "attributes")
	if len(attributes) == 0 {
		return nil
	}
	return attributes
}

func drawItems(t *rapid.T) []Item {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Item {
		return Item{rapid.String().Draw(t, "sku"), rapid.Int64().Draw(t, "quantity"), rapid.Int64().Draw(t, "price")}
	}), 1, 5).Draw(t, "items")
}

func drawProperties(t *rapid.T) map[string]any {
	v := rapid.OneOf(rapid.String().AsAny(), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64Range(-1e300, 1e300).AsAny())
	return rapid.MapOfN(rapid.String(), v, 1, 5).Draw(t, "properties")
}

func TestRecordsSurviveTheCodec(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u, e, flags := drawRecord(t)
		data := appendRecord(nil, &u, e, e.At(), flags)
		require.LessOrEqual(t, len(data), sizeBound(&u, e))
		got, err := decodeRecord(string(data))
		require.NoError(t, err)
		require.Equal(t, Record{Unit: u, Forced: flags == flagForced, Event: e}, got)
		require.Equal(t, data, appendRecord(nil, &got.Unit, got.Event, got.Event.At(), flags), "one record, one encoding")
	})
}

// Whatever bytes are read back, decoding says so or gives a record; it never
// panics and never allocates by a length that it was told.
func FuzzDecodeRecord(f *testing.F) {
	u := Unit{User: "ada"}
	for _, e := range []Event{
		PageView{Page: "/"}, Purchase{OrderID: "o", Items: []Item{{"a", 1, 2}}}, Exposure{Experiment: "e"},
		Custom{EventName: "x", Properties: map[string]any{"a": 1.5, "b": "c", "d": true, "e": 1}},
	} {
		f.Add(appendRecord(nil, &u, e, time.Unix(0, 0), 0))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRecord(string(data))
		if err != nil {
			require.ErrorIs(t, err, errCorrupt)
			return
		}
		require.NotNil(t, r.Event)
	})
}

// A record that is cut short anywhere is an error.
func TestTornRecordsAreErrors(t *testing.T) {
	u := Unit{User: "ada", Device: "d"}
	data := appendRecord(nil, &u, Purchase{OrderID: "o", Total: 1 << 40, Currency: "EUR", Items: []Item{{"sku", 1, 2}}}, time.Unix(1, 0), 0)
	for n := range data {
		_, err := decodeRecord(string(data[:n]))
		require.ErrorIs(t, err, errCorrupt, "cut at %d", n)
	}
	_, err := decodeRecord(string(data) + "x")
	require.ErrorIs(t, err, errCorrupt)
}

func TestPaddedLengths(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 16383, 16384, 1<<21 - 1} {
		var b [3]byte
		putPaddedUvarint(b[:], n)
		d := decoder{rest: string(b[:])}
		require.Equal(t, uint64(n), d.uvarint())
		require.Empty(t, d.rest)
		require.False(t, d.bad)
	}
}

// The largest record that the checks let through fits the three bytes of its
// length, and a buffer of the least size.
func TestTheLargestRecordFits(t *testing.T) {
	long := func(n int) string { return string(make([]byte, n)) }
	p := Purchase{OrderID: long(maxNameBytes)}
	for range maxItems {
		p.Items = append(p.Items, Item{SKU: long(maxNameBytes)})
	}
	c := Custom{EventName: long(maxNameBytes), Properties: map[string]any{}}
	for i := range maxProperties {
		c.Properties[long(maxNameBytes-1)+string(rune('a'+i))] = long(maxPropertyBytes)
	}
	u := Unit{User: long(maxIDBytes), Device: long(maxIDBytes), Session: long(maxIDBytes), Tenant: long(maxIDBytes), Request: long(maxIDBytes)}
	for _, e := range []Event{p, c, PageView{Page: long(maxPageBytes), Referrer: long(maxPageBytes)}} {
		require.Less(t, sizeBound(&u, e), 1<<21)
		require.Less(t, int64(sizeBound(&u, e)+maxChunkBytes), newBudget(2*minBufferBytes).limit)
		require.Less(t, int64(sizeBound(&u, e)), newBudget(minBufferBytes).limit)
	}
}
