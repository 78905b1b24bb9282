package hub

import (
	"fmt"
	"regexp"
	"strings"
)

// Ref names a model on one of the two hosts.
type Ref struct {
	Google   bool   // one of Google's releases; else a repository of the hub
	Name     string // of a release: Release.Name or Release.Path; of a repository: org/name, or name alone
	Revision string // of a repository: branch, tag or commit; "main" for none
}

const (
	googlePrefix = "google:"
	hubPrefix    = "hf:"
	mainBranch   = "main"
)

// IsRef reports whether a path is none but names a model on a host: it begins with google: or hf:.
func IsRef(s string) bool {
	return strings.HasPrefix(s, googlePrefix) || strings.HasPrefix(s, hubPrefix)
}

// repository is what the hub allows, huggingface_hub's validate_repo_id: no two dots or hyphens on end, which makes its name a folder's.
var (
	repository = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?(/[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?)?$`)
	revision   = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._/-]*[A-Za-z0-9_])?$`)
	commit     = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// ParseRef parses google:NAME or hf:ORG/NAME[@REVISION].
func ParseRef(s string) (Ref, error) {
	if name, ok := strings.CutPrefix(s, googlePrefix); ok {
		if _, err := find(name); err != nil {
			return Ref{}, err
		}
		return Ref{Google: true, Name: name}, nil
	}
	name, ok := strings.CutPrefix(s, hubPrefix)
	if !ok {
		return Ref{}, fmt.Errorf("%.200q names no model: want google:NAME or hf:ORG/NAME[@REVISION]", s)
	}
	name, rev, given := strings.Cut(name, "@")
	if !given {
		rev = mainBranch
	}
	switch {
	case !repository.MatchString(name) || strings.Contains(name, "..") || strings.Contains(name, "--") || len(name) > 96:
		return Ref{}, fmt.Errorf("%.200q: %.100q is no name of a repository, such as google-bert/bert-base-cased", s, name)
	case !revision.MatchString(rev) || strings.Contains(rev, "..") || strings.Contains(rev, "//") || len(rev) > 200:
		return Ref{}, fmt.Errorf("%.200q: %.100q is no revision: want a branch, a tag or a commit", s, rev)
	}
	return Ref{Name: name, Revision: rev}, nil
}

// String returns the text that ParseRef parses.
func (r Ref) String() string {
	switch {
	case r.Google:
		return googlePrefix + r.Name
	case r.Revision == "" || r.Revision == mainBranch:
		return hubPrefix + r.Name
	}
	return hubPrefix + r.Name + "@" + r.Revision
}
