package metrics

import (
	"bytes"
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/weirproxy/weir/pipeline"
)

// pages are the documents of a process's steps, and a list of all that there is.
type pages struct {
	p     *pipeline.Process
	pprof bool
	log   *slog.Logger
	slots chan struct{} // one for each document that is being made
}

// stepPath is a step's name as a part of a path: "filter-top-2" for "filter top 2".
func stepPath(step string) string { return strings.ReplaceAll(step, " ", "-") }

func path(page pipeline.Page) string {
	return "/pipelines/" + url.PathEscape(page.Pipeline) + "/" + url.PathEscape(stepPath(page.Step)) + "/" + url.PathEscape(page.Name)
}

// document answers with a step's document as JSON.
func (s *pages) document(w http.ResponseWriter, r *http.Request) {
	for _, page := range s.p.Pages() {
		if page.Pipeline != r.PathValue("pipeline") || stepPath(page.Step) != r.PathValue("step") || page.Name != r.PathValue("name") {
			continue
		}
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		default:
			http.Error(w, "Others are being answered; try again.", http.StatusServiceUnavailable)
			return
		}
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false) // statements have < and >
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(page.Document()); err != nil {
			s.log.Warn("a document cannot be encoded", "path", r.URL.Path, "error", err)
			http.Error(w, "This document cannot be encoded; the log says why.", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(b.Bytes()) // fails where the client has gone
		return
	}
	http.NotFound(w, r)
}

type link struct{ Path, What string }

var indexPage = template.Must(template.New("index").Parse(`<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Weir</title></head>
<body>
<h1>Weir</h1>
<ul>
{{range .}}<li><a href="{{.Path}}">{{.Path}}</a> {{.What}}</li>
{{end}}</ul>
</body>
</html>
`))

// index lists what there is.
func (s *pages) index(w http.ResponseWriter, r *http.Request) {
	all := []link{
		{"/metrics", "figures for Prometheus"},
		{"/healthz", "whether the workers respond"},
		{"/readyz", "whether a client would be served"},
	}
	for _, page := range s.p.Pages() {
		all = append(all, link{path(page), page.Name + " of " + page.Step + " in pipeline " + page.Pipeline})
	}
	if s.pprof {
		all = append(all, link{"/debug/pprof/", "profiles of the Go runtime"})
	}
	var b bytes.Buffer
	if err := indexPage.Execute(&b, all); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // fails where the client has gone
}
