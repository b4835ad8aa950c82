package protocol_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weirproxy/weir/protocol"
)

const (
	parent1 = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	parent2 = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

func TestParseTraceparent(t *testing.T) {
	for text, ok := range map[string]bool{
		parent1: true,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff":      true,
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":      true,
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more": true,
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more":  false,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more": false,
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":      false,
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01":      false,
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01":      false,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01":      false,
		"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01":      false,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1":       false,
		"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":      false,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x":      false,
		"": false,
	} {
		c, got := protocol.ParseTraceparent([]byte(text))
		if got != ok {
			t.Errorf("%q: %v", text, got)
		}
		if ok && strings.HasPrefix(text, "00") && string(c.AppendTraceparent(nil)) != text {
			t.Errorf("%q is written as %q", text, c.AppendTraceparent(nil))
		}
	}
}

func TestFindTraceComment(t *testing.T) {
	for _, tt := range []struct{ text, state, without string }{
		// sqlcommenter's own example, and the forms seen elsewhere.
		{
			"SELECT * from polls /*controller='index',framework='django%3A2.2.1',route='%5Epolls/%24'," +
				"traceparent='" + parent1 + "',tracestate='congo%3Dt61rcWkgMzE%2Crojo%3D00f067aa0ba902b7'*/",
			"congo%3Dt61rcWkgMzE%2Crojo%3D00f067aa0ba902b7",
			"SELECT * from polls /*controller='index',framework='django%3A2.2.1',route='%5Epolls/%24'*/",
		},
		{
			"/*dddbs='db',dde='prod',traceparent='" + parent1 + "'*/ SELECT 1", "",
			"/*dddbs='db',dde='prod'*/ SELECT 1",
		},
		{"/*traceparent='" + parent1 + "',x='y'*/SELECT 1", "", "/*x='y'*/SELECT 1"},
		{"/*traceparent='" + parent1 + "'*/ SELECT 1", "", "SELECT 1"},
		{"SELECT 1 /*traceparent='" + parent1 + "'*/", "", "SELECT 1"},
		{"SELECT 1 /*traceparent='" + parent1 + "'*/ ;\n", "", "SELECT 1 ;\n"},
		{"SELECT 1/* traceparent:" + parent1 + " */", "", "SELECT 1"},
		{"/* app:shop,traceparent:" + parent1 + " */ SELECT 1", "", "/* app:shop */ SELECT 1"},
		{`/* {"traceparent":"` + parent1 + `","tracestate":"a=b"} */ SELECT 1`, "a=b", "/* {} */ SELECT 1"},
		{"SELECT 1 /*tracestate=a@b/c=d, traceparent = \"" + parent1 + "\"*/", "a@b/c=d", "SELECT 1"},
		{"/* first */ /*traceparent='" + parent1 + "'*/ SELECT 1", "", "/* first */ SELECT 1"},
		{"/*traceparent='nonsense'*/ SELECT 1 /*traceparent='" + parent1 + "'*/", "", "/*traceparent='nonsense'*/ SELECT 1"},
		{
			"/*traceparent='" + parent1 + "'*/ SELECT 1 /*traceparent='" + parent2 + "'*/", "", "SELECT 1",
		},
		{"/*traceparent='nonsense',traceparent='" + parent1 + "'*/ SELECT 1", "", "SELECT 1"},
		// A comment that may stand inside another keeps its end.
		{"SELECT 1 /* odd /*traceparent='" + parent1 + "'*/", "", "SELECT 1 /* odd /**/"},
		{"SELECT '/*', 2 /*traceparent='" + parent1 + "'*/", "", "SELECT '/*', 2 /**/"},
		{"SELECT /* x */ 2 /*traceparent='" + parent1 + "'*/", "", "SELECT /* x */ 2"},
	} {
		c, ok := protocol.FindTraceComment([]byte(tt.text), true)
		if !ok || string(c.Context.AppendTraceparent(nil)) != parent1 || string(c.Parent.Of([]byte(tt.text))) != parent1 ||
			string(c.State.Of([]byte(tt.text))) != tt.state {
			t.Errorf("%s: %+v, %v", tt.text, c, ok)
		}
		if got := protocol.RemoveTraceComment([]byte(tt.text), true); string(got) != tt.without {
			t.Errorf("%s\nwithout it is %s\n       want %s", tt.text, got, tt.without)
		}
	}
}

func TestNoTraceComment(t *testing.T) {
	for _, text := range []string{
		"", "SELECT 1", "/*", "*/", "/**/", "/*/", "SELECT 1 /* */", "/* x */ SELECT 1 /* y */",
		"SELECT '/*traceparent=''" + parent1 + "''*/' FROM t",
		"/*!50000 traceparent='" + parent1 + "' */ SELECT 1",
		"/*M!100000 traceparent='" + parent1 + "' */ SELECT 1",
		"/*+ traceparent='" + parent1 + "' */ SELECT 1",
		"/*xtraceparent='" + parent1 + "'*/ SELECT 1",
		"/*x.traceparent='" + parent1 + "'*/ SELECT 1",
		"/*traceparent'" + parent1 + "'*/ SELECT 1",
		"/*traceparent=" + parent1 + "0*/ SELECT 1",
		"/*traceparent='" + parent1 + "*/ SELECT 1",
		"/*traceparent=*/ SELECT 1", "/*traceparent*/", "/*traceparent='*/",
		"/*traceparent='" + parent1 + "' SELECT 1",
		"SELECT 1 /*! /*traceparent='" + parent1 + "'*/ */",
		"SELECT 1 /*traceparent='" + parent1 + "'" + strings.Repeat(" ", 5000) + "*/",
		"SELECT 1 -- traceparent='" + parent1 + "'",
	} {
		if c, ok := protocol.FindTraceComment([]byte(text), true); ok {
			t.Errorf("%s: %+v", text, c)
		}
		if got := protocol.RemoveTraceComment([]byte(text), true); string(got) != text {
			t.Errorf("%s becomes %s", text, got)
		}
	}
}

// The beginning of a statement ends anywhere: its last comment may be in a string, or not be the last.
func TestTraceCommentInABeginning(t *testing.T) {
	if c, ok := protocol.FindTraceComment([]byte("SELECT 1 /*traceparent='"+parent1+"'*/"), false); ok {
		t.Errorf("found %+v", c)
	}
	text := "/*a='b',traceparent='" + parent1 + "',tracestate='x=y'*/ INSERT ..."
	if _, ok := protocol.FindTraceComment([]byte(text), false); !ok {
		t.Error("not found")
	}
	want := "/*a='b'," + strings.Repeat(" ", 69) + "," + strings.Repeat(" ", 16) + "*/ INSERT ..."
	if got := protocol.RemoveTraceComment([]byte(text), false); string(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestSetTraceparent(t *testing.T) {
	c, _ := protocol.ParseTraceparent([]byte(parent2))
	b := []byte("cc" + parent1[2:] + "-more")
	c.SetTraceparent(b)
	if want := "cc" + parent2[2:] + "-more"; string(b) != want {
		t.Errorf("%s, want %s", b, want)
	}
}

func TestAppendTracestate(t *testing.T) {
	for _, tt := range []struct {
		in      string
		escaped bool
		want    string
	}{
		{"a=b,c=d", false, "a=b,c=d"},
		{"a%3Db%2Cc%3dd", true, "a=b,c=d"},
		{"a%3D", false, "a%3D"},
		{"a%3", true, ""},
		{"a%3g", true, ""},
		{"a%00", true, ""},
		{"a=\xff", false, ""},
		{"a=\n", false, ""},
		{strings.Repeat("x", 512), false, strings.Repeat("x", 512)},
		{strings.Repeat("x", 513), false, ""},
	} {
		if got := protocol.AppendTracestate([]byte("+"), []byte(tt.in), tt.escaped); string(got) != "+"+tt.want {
			t.Errorf("%q: %q", tt.in, got)
		}
	}
}

func FuzzTraceComment(f *testing.F) {
	f.Add([]byte("SELECT 1 /*a='b',traceparent='"+parent1+"',tracestate='x%3Dy'*/"), true)
	f.Add([]byte("/*traceparent:"+parent1+"*/ SELECT 1 /*traceparent='"+parent2+"'*/;"), true)
	f.Add([]byte(`/* {"traceparent":"`+parent1+`"} */ SELECT 1`), false)
	f.Add([]byte("SELECT 1 /* /*traceparent='"+parent1+"'*/"), true)
	f.Fuzz(func(t *testing.T, text []byte, whole bool) {
		c, ok := protocol.FindTraceComment(text, whole)
		got := protocol.RemoveTraceComment(bytes.Clone(text), whole)
		if !ok {
			if !bytes.Equal(got, text) {
				t.Fatalf("%q becomes %q", text, got)
			}
			return
		}
		if again, ok := protocol.ParseTraceparent(c.Parent.Of(text)); !ok || again != c.Context {
			t.Fatalf("%q: %+v", text, c)
		}
		protocol.AppendTracestate(nil, c.State.Of(text), true)
		if len(got) >= len(text) == whole || !whole && len(got) != len(text) {
			t.Fatalf("%q becomes %q", text, got)
		}
		b := bytes.Clone(text)
		c.Context.SetTraceparent(c.Parent.Of(b))
		if again, ok := protocol.FindTraceComment(b, whole); !ok || again != c {
			t.Fatalf("%q: %+v, %v", b, again, ok)
		}
	})
}

func BenchmarkFindTraceComment(b *testing.B) {
	for name, text := range map[string]string{
		"none": "SELECT c FROM sbtest1 WHERE id=4711",
		"tail": "SELECT c FROM sbtest1 WHERE id=4711 /*action='a',controller='b',traceparent='" + parent1 + "'*/",
	} {
		b.Run(name, func(b *testing.B) {
			text := []byte(text)
			b.ReportAllocs()
			for b.Loop() {
				protocol.FindTraceComment(text, true)
			}
		})
	}
}
