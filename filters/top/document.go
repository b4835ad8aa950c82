package top

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/protocol/sqlfacts"
)

// A Document is what the pipeline's lists say.
type Document struct {
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"`
	Statements uint64    `json:"statements"`
	Seconds    float64   `json:"seconds"`
	Errors     uint64    `json:"errors"`
	// Dropped are statements that are in none of the figures, because adding up was behind.
	Dropped uint64 `json:"dropped"`
	// Unknown are commands whose statement is not known: they are in the sums alone.
	Unknown uint64 `json:"unknown"`
	// Kept is the number of digests there are figures of. One that there are none of has at most MissingSeconds, in sum
	// and thus as its p99, and at most MissingErrors.
	Kept           int     `json:"kept"`
	MissingSeconds float64 `json:"missing_seconds_at_most"`
	MissingErrors  uint64  `json:"missing_errors_at_most"`
	// QuantileError is how much the quantiles may be off, as a part of them.
	QuantileError float64  `json:"quantile_error"`
	ByTime        []Digest `json:"by_time"`
	ByP99         []Digest `json:"by_p99"`
	ByErrors      []Digest `json:"by_errors"`
}

// A Digest is what is known of statements that differ only in their literals. Its figures count from Since on; where
// the digest may have come before, the two that say so are the most its figures could be with that.
type Digest struct {
	Digest    string    `json:"digest"`
	Class     string    `json:"class"`
	Summary   string    `json:"summary,omitempty"`
	Statement string    `json:"statement"`
	Truncated bool      `json:"truncated,omitempty"`
	Since     time.Time `json:"since"`
	// Understood says whether a parser has understood the statement. Only then Tables and Functions are what it names.
	Understood bool     `json:"understood"`
	Tables     []string `json:"tables,omitempty"`
	Functions  []string `json:"functions,omitempty"`

	Count         uint64  `json:"count"`
	Seconds       float64 `json:"seconds"`
	SecondsAtMost float64 `json:"seconds_at_most"`
	Min           float64 `json:"min_seconds"`
	Mean          float64 `json:"mean_seconds"`
	Max           float64 `json:"max_seconds"`
	P50           float64 `json:"p50_seconds"`
	P95           float64 `json:"p95_seconds"`
	P99           float64 `json:"p99_seconds"`

	Rows         uint64            `json:"rows"`
	AffectedRows uint64            `json:"affected_rows"`
	Bytes        uint64            `json:"bytes"`
	Errors       uint64            `json:"errors"`
	ErrorsAtMost uint64            `json:"errors_at_most"`
	Codes        map[string]uint64 `json:"errors_by_code,omitempty"`
	// Slowest is the slowest statement, Failed the last one that failed.
	Slowest *Example `json:"slowest,omitempty"`
	Failed  *Example `json:"failed,omitempty"`
}

// An Example is one statement.
type Example struct {
	Text      string    `json:"text,omitempty"`
	Truncated bool      `json:"truncated,omitempty"`
	Time      time.Time `json:"time"`
	Seconds   float64   `json:"seconds"`
	Session   uint32    `json:"session"`
	TraceID   string    `json:"trace_id,omitempty"`
	Error     uint16    `json:"error,omitempty"`
}

// documentOf makes lists of up to n digests each.
func documentOf(t *table, n int) Document {
	d := Document{
		Statements: t.statements, Seconds: t.total.Seconds(), Errors: t.errors, Unknown: t.unknown, Kept: len(t.entries),
		MissingSeconds: seconds(t.rankings[byTime].bound()), MissingErrors: t.rankings[byErrors].bound(),
		QuantileError: accuracy, ByTime: []Digest{}, ByP99: []Digest{}, ByErrors: []Digest{},
	}
	all := make([]Digest, 0, len(t.entries))
	for _, e := range t.entries {
		all = append(all, t.digest(e))
	}
	list := func(by func(*Digest) float64) []Digest {
		slices.SortFunc(all, func(a, b Digest) int {
			return cmp.Or(-cmp.Compare(by(&a), by(&b)), strings.Compare(a.Digest, b.Digest))
		})
		some := []Digest{}
		for _, one := range all[:min(n, len(all))] {
			if by(&one) > 0 {
				some = append(some, one)
			}
		}
		return some
	}
	d.ByTime = list(func(d *Digest) float64 { return d.Seconds })
	d.ByP99 = list(func(d *Digest) float64 { return d.P99 })
	d.ByErrors = list(func(d *Digest) float64 { return float64(d.Errors) })
	return d
}

func (t *table) digest(e *entry) Digest {
	d := Digest{
		Digest: fmt.Sprintf("%016x", e.digest), Class: e.class.String(), Summary: e.summary,
		Statement: strings.ToValidUTF8(string(e.canonical), "\uFFFD"), Truncated: e.longer, Since: time.Unix(0, e.since).UTC(),
		Count: e.count, Seconds: e.total.Seconds(), Min: e.least.Seconds(), Max: e.longest.Seconds(),
		Rows: e.rows, AffectedRows: e.affected, Bytes: e.bytes, Errors: e.errors,
		Slowest: e.slowest.document(), Failed: e.failed.document(),
	}
	d.SecondsAtMost = max(d.Seconds, seconds(t.rankings[byTime].most(e)))
	d.ErrorsAtMost = max(d.Errors, t.rankings[byErrors].most(e))
	if e.count > 0 {
		d.Mean = d.Seconds / float64(e.count)
		d.P50, d.P95, d.P99 = e.quantile(0.5), e.quantile(0.95), e.quantile(0.99)
	}
	if e.errors > 0 {
		d.Codes = e.codesByName()
	}
	return d
}

// addFacts says what the statements of the lists name. It takes some time for each.
func (d *Document) addFacts() {
	known := make(map[string]sqlfacts.Facts)
	for _, list := range [][]Digest{d.ByTime, d.ByP99, d.ByErrors} {
		for i := range list {
			if one := &list[i]; !one.Truncated {
				one.addFacts(known)
			}
		}
	}
}

func (d *Digest) addFacts(known map[string]sqlfacts.Facts) {
	facts, ok := known[d.Digest]
	if !ok {
		facts = sqlfacts.Parse(d.Statement, 0) // a canonical text reads the same in every mode
		known[d.Digest] = facts
	}
	d.Understood, d.Functions = facts.Understood, facts.Functions
	for _, table := range facts.Tables {
		d.Tables = append(d.Tables, table.String())
	}
}

// most is the weight that e has at most.
func (r *ranking) most(e *entry) uint64 {
	if p := r.place(e); p.at >= 0 {
		return p.counter
	}
	return r.bound()
}

// quantile estimates in how many seconds at least a part q of all executions was done.
func (e *entry) quantile(q float64) float64 {
	rank := math.Ceil(q*float64(e.count)) - 1 // of that execution among all, from 0
	// The sketch looks for the first whose rank is not below the part it is given of the last one's, rounded down: a
	// little more than a whole number is safe.
	ns, err := e.times.GetValueAtQuantile(min((rank+0.25)/max(float64(e.count)-1, 1), 1))
	if err != nil {
		return 0 // it has no values
	}
	return min(max(ns, float64(e.least)), float64(e.longest)) / float64(time.Second)
}

func (e *entry) codesByName() map[string]uint64 {
	all := make(map[string]uint64)
	for _, c := range e.codes {
		if c.count > 0 {
			all[strconv.Itoa(int(c.code))] = c.count
		}
	}
	if e.otherCodes > 0 {
		all["other"] = e.otherCodes
	}
	if e.aborted > 0 {
		all["aborted"] = e.aborted
	}
	return all
}

func (x *example) document() *Example {
	if x.at == 0 {
		return nil
	}
	d := &Example{
		Text: strings.ToValidUTF8(string(x.text), "\uFFFD"), Truncated: x.truncated, Time: time.Unix(0, x.at).UTC(),
		Seconds: x.took.Seconds(), Session: x.session, Error: x.code,
	}
	if x.traced {
		d.TraceID = hex.EncodeToString(x.trace[:])
	}
	return d
}

func seconds(ns uint64) float64 { return float64(ns) / float64(time.Second) }
