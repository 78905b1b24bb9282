package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

const (
	defaultHubEndpoint    = "https://huggingface.co"
	defaultGoogleEndpoint = "https://storage.googleapis.com/bert_models"
)

// Client pulls models. The zero value cannot: New and FromEnvironment make clients. Its methods are safe for concurrent use, the fields
// are not to be changed while they run.
type Client struct {
	HubEndpoint    string // of Hugging Face's hub; "": https://huggingface.co
	GoogleEndpoint string // of Google's bucket; "": https://storage.googleapis.com/bert_models
	Token          string // for the hub; "": none. It is sent to the host of HubEndpoint only, and never printed
	Cache          string // folder of pulled models
	HubCache       string // of huggingface_hub, which is only read; "": none
	Offline        bool   // nothing is asked for: what is in no cache is an *OfflineError

	Log      func(message string) // what the caller should know; nil: nobody is told
	Progress func(Progress)       // how far a pull has come, by one goroutine at a time; nil: nobody is told

	transport http.RoundTripper
	disk      disk
	stall     time.Duration
	sleep     func(ctx context.Context, d time.Duration) error
}

// Progress is how far a pull has come.
type Progress struct {
	File        string // being downloaded
	Bytes, Of   int64  // of all files; Of is 0 while it is not known
	Interrupted bool   // these bytes were there already, from a pull that was stopped
}

// New returns a client of the public hosts with a folder for pulled models.
func New(cache string) *Client {
	return &Client{Cache: cache, transport: transport(), disk: osDisk{}, stall: stallTimeout, sleep: sleep}
}

// FromEnvironment returns a client as the variables of the environment ask for it: BERTLABEL_HOME, else XDG_CACHE_HOME/bertlabel, else
// HOME/.cache/bertlabel is the cache; HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, HF_HUB_CACHE and HF_HOME are those of huggingface_hub;
// BERTLABEL_GOOGLE_ENDPOINT is Google's bucket. The error names the variable that is wrong, not what a token is.
func FromEnvironment(getenv func(name string) string) (*Client, error) {
	cache := getenv("XDG_CACHE_HOME")
	if home := first(getenv("HOME"), getenv("USERPROFILE")); cache == "" && home != "" {
		cache = filepath.Join(home, ".cache")
	}
	c := New(getenv("BERTLABEL_HOME"))
	if c.Cache == "" && cache != "" {
		c.Cache = filepath.Join(cache, "bertlabel")
	}
	if c.HubCache = getenv("HF_HUB_CACHE"); c.HubCache == "" {
		if home := getenv("HF_HOME"); home != "" {
			c.HubCache = filepath.Join(home, "hub")
		} else if cache != "" {
			c.HubCache = filepath.Join(cache, "huggingface", "hub")
		}
	}
	switch offline := strings.ToUpper(getenv("HF_HUB_OFFLINE")); offline {
	case "1", "ON", "YES", "TRUE": // ENV_VARS_TRUE_VALUES of huggingface_hub
		c.Offline = true
	}
	c.HubEndpoint, c.GoogleEndpoint = getenv("HF_ENDPOINT"), getenv("BERTLABEL_GOOGLE_ENDPOINT")
	c.Token = strings.TrimSpace(getenv("HF_TOKEN"))
	if strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("HF_TOKEN has characters that no token has")
	}
	return c, errors.Join(checkEndpoint("HF_ENDPOINT", c.hubEndpoint()), checkEndpoint("BERTLABEL_GOOGLE_ENDPOINT", c.googleEndpoint()))
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func checkEndpoint(name, s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return fmt.Errorf("%s is not the URL of a host, such as %s", name, defaultHubEndpoint)
	}
	return nil
}

func (c *Client) hubEndpoint() string {
	return strings.TrimRight(first(c.HubEndpoint, defaultHubEndpoint), "/")
}

func (c *Client) googleEndpoint() string {
	return strings.TrimRight(first(c.GoogleEndpoint, defaultGoogleEndpoint), "/")
}

func (c *Client) logf(format string, args ...any) {
	if c.Log != nil {
		c.Log(fmt.Sprintf(format, args...))
	}
}

// OfflineError says that a model is in no cache, and that nothing may be asked for.
type OfflineError struct{ Ref Ref }

func (e *OfflineError) Error() string {
	return fmt.Sprintf("%s is in no cache, and `offline` forbids to pull it", e.Ref)
}

// sleep waits, or returns the cause of ctx's end.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// Pull downloads a model into a new folder: dir must not be there, or be empty, and its parent must be there.
func (c *Client) Pull(ctx context.Context, ref Ref, dir string) (*Receipt, error) {
	if c.Offline {
		return nil, &OfflineError{ref}
	}
	p, err := c.plan(ctx, ref)
	if err != nil {
		return nil, err
	}
	return c.pull(ctx, p, dir, false)
}

// Update brings the cache up to date with the host and returns the model's folder there. What is there already is not downloaded again.
func (c *Client) Update(ctx context.Context, ref Ref) (dir string, err error) {
	if c.Offline {
		return "", &OfflineError{ref}
	}
	if c.Cache == "" {
		return "", errors.New("no folder for pulled models is known: set BERTLABEL_HOME")
	}
	p, err := c.plan(ctx, ref)
	if err != nil {
		return "", err
	}
	dir = c.cached(ref, p.commit)
	if err := mkdirAll(filepath.Dir(dir)); err != nil {
		return "", err
	}
	if !whole(dir) {
		if _, err := c.pull(ctx, p, dir, true); err != nil {
			return "", err
		}
	}
	return dir, c.remember(ref, p.commit)
}

// Folder returns the folder of a model: from our cache, else from huggingface_hub's, else it is pulled into ours, and Log is told. A
// branch in a cache is taken as it is there; Update asks the host.
func (c *Client) Folder(ctx context.Context, ref Ref) (string, error) {
	if dir := c.find(ref); dir != "" {
		return dir, nil
	}
	if c.Offline {
		return "", &OfflineError{ref}
	}
	c.logf("%s is not on this machine yet: pulling it into %s", ref, c.Cache)
	return c.Update(ctx, ref)
}

// plan asks the host what is to be pulled.
func (c *Client) plan(ctx context.Context, ref Ref) (*plan, error) {
	if ref.Google {
		return c.planRelease(ref)
	}
	return c.planRepository(ctx, ref)
}

// plan says how a model is pulled.
type plan struct {
	source, url, commit string // as the receipt has them
	licence             string // by the host's word; "": it says nothing
	bytes               int64  // of the files, or about
	fetch               func(ctx context.Context, w *work) error
}
