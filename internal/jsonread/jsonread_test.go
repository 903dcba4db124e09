package jsonread

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// document has a field of each kind that a reader knows.
type document struct {
	Word  string         `json:"word"`
	Yes   bool           `json:"yes"`
	Whole int            `json:"whole"`
	Long  int64          `json:"long"`
	Share float64        `json:"share"`
	Any   any            `json:"any"`
	Map   map[string]any `json:"map"`
	Rows  []document     `json:"rows"`
	Names []string       `json:"names"`
	Inner *document      `json:"inner"`
}

type reader struct {
	Reader
	names Slab[string]
}

var documentFields []Field[*reader, document]

func init() { // the table names itself
	documentFields = []Field[*reader, document]{
		{"word", func(r *reader, d *document) { String(r, &d.Word) }},
		{"yes", func(r *reader, d *document) { r.Bool(&d.Yes) }},
		{"whole", func(r *reader, d *document) { Int(r, &d.Whole) }},
		{"long", func(r *reader, d *document) { Int(r, &d.Long) }},
		{"share", func(r *reader, d *document) { r.Float(&d.Share) }},
		{"any", func(r *reader, d *document) { r.Any(&d.Any) }},
		{"map", func(r *reader, d *document) { Map(r, &d.Map) }},
		{"rows", func(r *reader, d *document) { Rows(r, &d.Rows, readDocument) }},
		{"names", func(r *reader, d *document) { List(r, &r.names, &d.Names, func(r *reader, s *string) { String(r, s) }) }},
		{"inner", func(r *reader, d *document) {
			d.Inner = new(document)
			readDocument(r, d.Inner)
		}},
	}
}

func readDocument(r *reader, d *document) { Object(r, documentFields, d) }

// read reads a document by the reader.
func read(text string) (document, bool) {
	var d document
	r := &reader{Reader: New([]byte(text))}
	readDocument(r, &d)
	return d, r.Done()
}

// decode reads a document by encoding/json.
func decode(text string) (document, error) {
	var d document
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	err := dec.Decode(&d)
	if _, more := dec.Token(); err == nil && more != io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return d, err
}

// What the reader is sure of. All of it is as encoding/json reads it.
var sure = []string{
	`{}`, " \t\r\n{ \n} ", `{"word":""}`, `{"word" : "a b" , "yes":true,"whole":1}`,
	`{"yes":false,"word":"größe 🙂"}`, `{"word":"\"\\\/\b\f\n\r\t\u0026\u00fc\u20AC"}`, `{"word":"a\u0000b"}`, `{"word":"\ud83d\ude42"}`,
	`{"whole":0,"long":-0}`, `{"long":999999999999999999}`, `{"long":-999999999999999999}`,
	`{"share":0.25}`, `{"share":-1.5e-7}`, `{"share":1E+3}`, `{"share":-0.0}`, `{"share":7}`,
	`{"any":null}`, `{"any":[]}`, `{"any":{}}`, `{"any":[1,-2.50,1e400,"x",true,false,null,[[]],{"a":{"b":[]}}]}`,
	`{"map":{}}`, `{"map":{"a":1,"b":null}}`, `{"rows":[]}`, `{"names":[]}`, `{"names":["a","b","c","d","e","f"]}`,
	`{"rows":[{"names":["x"]},{},{"rows":[{"word":"deep","names":["y"]}]},{},{},{"names":["z","z"]},{},{}]}`,
	`{"inner":{"inner":{"word":"x"}}}`, `{"word":"` + strings.Repeat("long ", 2000) + `"}`, `{"any":"` + strings.Repeat("ü", 3000) + `"}`,
}

// What it is not sure of, though some of it encoding/json reads.
var unsure = []string{
	``, ` `, `{`, `}`, `{}}`, `{} {}`, `{}x`, `[]`, `null`, `7`, `"x"`, `nul`, `{,}`, `{"yes":true,}`, `{"yes" true}`, `{"yes":}`, `{yes:true}`,
	`{"Yes":true}`, `{"no":true}`, `{"y\u0065s":1}`, `{"yes":true,"yes":true}`, `{"yes":"true"}`, `{"yes":tru`, `{"yes":null}`, `{"yes":1}`,
	`{"word":7}`, `{"word":null}`, `{"word":"a`, `{"word":"\`, `{"word":"\x"}`, `{"word":"\u12"}`, `{"word":"\u12g4"}`, `{"word":"\ud83d"}`, `{"word":"\ud83d\n"}`,
	`{"word":"\ud83dx"}`, `{"word":"\ud83d\u0041"}`, `{"word":"\ude42\ud83d"}`, `{"word":"\ud83d\u"}`, "{\"word\":\"\n\"}", "{\"word\":\"\\n\n\"}", "{\"word\":\"\xff\"}", "{\"word\":\"\\n\xff\"}",
	`{"whole":1.0}`, `{"whole":1e3}`, `{"whole":01}`, `{"whole":-}`, `{"whole":+1}`, `{"whole":}`, `{"whole":1234567890123456789}`, `{"whole":"1"}`,
	`{"share":1e999}`, `{"share":1.}`, `{"share":.5}`, `{"share":1e}`, `{"share":1e+}`, `{"share":NaN}`, `{"share":"1"}`, `{"share":`,
	`{"any":`, `{"any":nul}`, `{"any":[1,]}`, `{"any":[1 2]}`, `{"any":{"a":1,"a":1}}`, `{"any":{"a":1,}}`, `{"any":{"a"}}`, `{"any":{1:2}}`, `{"any":-}`,
	`{"any":` + strings.Repeat("[", 33) + strings.Repeat("]", 33) + `}`, `{"any":` + strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 34),
	`{"map":null}`, `{"map":[]}`, `{"map":{"a":1,"b":2,"a":3}}`, `{"rows":{}}`, `{"rows":null}`, `{"rows":[null]}`, `{"rows":[{}`, `{"names":[1]}`, `{"names":"x"}`, `{"inner":null}`,
	"\ufeff{}",
}

func TestWhatTheReaderIsSureOf(t *testing.T) {
	for _, text := range sure {
		got, ok := read(text)
		require.True(t, ok, "%.100s", text)
		want, err := decode(text)
		require.NoError(t, err, "%.100s", text)
		require.Equal(t, want, got, "%.100s", text)
	}
	for _, text := range unsure {
		_, ok := read(text)
		require.False(t, ok, "%.100s", text)
	}
	var x any
	r := New([]byte(`{"a":"unread"}`))
	require.False(t, r.Done(), "not read to its end")
	r.Any(&x)
	require.True(t, r.Done())
	r = New([]byte(` "text" `))
	require.Equal(t, `"text"`, string(r.Token()))
	require.True(t, r.Done())
	r.Fail()
	require.False(t, r.Done())
	require.Nil(t, r.Token())
}

// Strings and lists share memory with others and not with the document: changing
// one changes nobody else's.
func TestWhatIsReadIsItsOwn(t *testing.T) {
	text := []byte(`{"rows":[{"names":["a","b"]},{"names":["c"]}],"word":"kept"}`)
	var d document
	r := &reader{Reader: New(text)}
	readDocument(r, &d)
	require.True(t, r.Done())
	clear(text)
	require.Equal(t, "kept", d.Word)
	d.Rows[0].Names = append(d.Rows[0].Names, "x")
	d.Rows = append(d.Rows, document{})
	require.Equal(t, []string{"c"}, d.Rows[1].Names)
}

func TestSlabs(t *testing.T) {
	var slab Slab[int]
	require.Equal(t, []int{}, slab.Cut(0))
	var lists [][]int
	for n := range 40 {
		list := slab.Cut(n)
		require.Len(t, list, n)
		for i := range list {
			require.Zero(t, list[i])
			list[i] = n
		}
		lists = append(lists, append(list, -1)[:n])
	}
	for n, list := range lists {
		for i := range list {
			require.Equal(t, n, list[i])
		}
	}
	require.Len(t, slab.Cut(1000), 1000)
}

// What the reader is sure of, encoding/json reads as the same, and writing it
// down makes a document of which the reader is sure.
func FuzzReader(f *testing.F) {
	for _, text := range append(sure, unsure...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := read(text)
		if !ok {
			return
		}
		want, err := decode(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
		var out bytes.Buffer
		require.NoError(t, json.Compact(&out, []byte(text)))
		again, ok := read(out.String())
		require.True(t, ok)
		require.Equal(t, want, again)
	})
}
