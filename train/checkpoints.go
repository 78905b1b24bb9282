package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/atomic"
	"bertlabel/checkpoint/tfbundle"
)

// Checkpoints is the folder of a run's checkpoints:
//
//	latest                      the name of the newest, for people: reading looks at what is there
//	ckpt-000123/
//	    model.ckpt-123.index    TensorFlow's V2 format: variables, NAME/adam_m, NAME/adam_v, global_step
//	    model.ckpt-123.data-00000-of-00001
//	    state.json              Saved
//	    MANIFEST.json           length and CRC32C of each file (checkpoint/atomic)
//
// A checkpoint appears under its name whole and on the disk, or not at all; older ones go only after that.
type Checkpoints struct {
	Dir    string
	Keep   int               // how many stay, at least 1; besides these the one of the best step and of State.RestoreStep
	Verify bool              // read every checkpoint back before it counts
	FS     atomic.FS         // nil for the machine's
	Warn   func(text string) // told of damaged checkpoints and of old ones that cannot be removed; nil for nobody

	last int64 // step of the checkpoint that was last written or read; 0 for none
}

// Saved is state.json: what a checkpoint holds besides variables.
type Saved struct {
	FormatVersion int      `json:"format_version"` // 1
	State         State    `json:"state"`
	Run           Identity `json:"run"`
}

const (
	savedVersion = 1
	savedName    = "state.json"
	savedBytes   = 16 << 20 // the largest that is read
	latestName   = "latest"
	globalStep   = "global_step" // tf.train.get_global_step
)

// Open makes the folder if need be and removes what killed processes have left half-written. The caller holds the lock of the run.
func (c *Checkpoints) Open() error {
	if c.FS == nil {
		c.FS = atomic.OS{}
	}
	if err := c.FS.Mkdir(c.Dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	_, err := atomic.RemoveStale(c.FS, c.Dir)
	return err
}

// Clear removes the checkpoints of an earlier run; a folder that is not there has none.
func (c *Checkpoints) Clear() error {
	if c.FS == nil {
		c.FS = atomic.OS{}
	}
	steps, err := c.steps()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err, c.FS.RemoveAll(filepath.Join(c.Dir, latestName))}
	for _, step := range steps {
		errs = append(errs, c.FS.RemoveAll(c.path(step)))
	}
	return errors.Join(errs...)
}

// Prefix returns the prefix of the TensorFlow checkpoint of a step.
func (c *Checkpoints) Prefix(step int64) string { return filepath.Join(c.path(step), prefixName(step)) }

// Last returns the folder of the checkpoint that was last written or read, "" for none.
func (c *Checkpoints) Last() string {
	if c.last == 0 {
		return ""
	}
	return c.path(c.last)
}

func (c *Checkpoints) path(step int64) string {
	return filepath.Join(c.Dir, fmt.Sprintf("ckpt-%06d", step))
}

func prefixName(step int64) string { return fmt.Sprintf("model.ckpt-%d", step) }

var checkpointPattern = regexp.MustCompile(`^ckpt-([0-9]{6,18})$`)

// steps lists the checkpoints that are there, oldest first.
func (c *Checkpoints) steps() ([]int64, error) {
	names, err := c.FS.List(c.Dir)
	if err != nil {
		return nil, err
	}
	var steps []int64
	for _, name := range names {
		if match := checkpointPattern.FindStringSubmatch(name); match != nil {
			step, _ := strconv.ParseInt(match[1], 10, 64) // the pattern fits an int64
			steps = append(steps, step)
		}
	}
	slices.Sort(steps)
	return slices.Compact(steps), nil
}

// Save writes the checkpoint of s.State.Step with these variables, then removes those that are no longer kept. If the last one
// written or read has that step, it stays as it is.
func (c *Checkpoints) Save(s Saved, variables []checkpoint.Tensor) error {
	step := s.State.Step
	if step == c.last {
		return nil
	}
	if err := c.write(s, variables); err != nil {
		return fmt.Errorf("checkpoint of step %d: %w", step, err)
	}
	c.last = step
	return c.settle(s.State)
}

// settle makes latest name the last checkpoint, s, and removes those that are no longer kept. It is called again when a run goes on: a
// process may have been killed between the commit of a checkpoint and this.
func (c *Checkpoints) settle(s State) error {
	if err := atomic.WriteFile(c.FS, filepath.Join(c.Dir, latestName), func(w io.Writer) error {
		_, err := fmt.Fprintln(w, filepath.Base(c.path(c.last)))
		return err
	}); err != nil {
		return err
	}
	return c.prune(s.BestStep, s.RestoreStep)
}

func (c *Checkpoints) write(s Saved, variables []checkpoint.Tensor) error {
	s.FormatVersion = savedVersion
	state, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	step := s.State.Step
	variables = append(slices.Clone(variables), checkpoint.Int64Tensor(globalStep, nil, []int64{step}))
	need := int64(len(state))
	for _, v := range variables {
		need += int64(len(v.Bytes) + len(v.Name) + 100) // its entry in the index
	}
	// What stands there under this name was passed over as damaged when the run was resumed.
	if err := c.FS.RemoveAll(c.path(step)); err != nil {
		return err
	}
	folder, err := atomic.NewFolder(c.FS, c.path(step), need)
	if err != nil {
		return err
	}
	defer folder.Abort()
	if err := tfbundle.Write(folder.Create, prefixName(step), variables); err != nil {
		return err
	}
	f, err := folder.Create(savedName)
	if err != nil {
		return err
	}
	_, err = f.Write(append(state, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return folder.Commit(step, c.Verify)
}

// prune removes the oldest checkpoints beyond Keep, but never those of the given steps. The newest has just been written.
func (c *Checkpoints) prune(needed ...int64) error {
	steps, err := c.steps()
	if err != nil {
		return err
	}
	newest := slices.Index(steps, c.last) + 1 // later ones are damaged, or of a run that this one has branched off from
	for i, step := range steps[:newest] {
		if i >= newest-max(1, c.Keep) || slices.Contains(needed, step) {
			continue
		}
		if err := c.FS.RemoveAll(c.path(step)); err != nil {
			c.warn("old checkpoint %s could not be removed: %v", c.path(step), err)
		}
	}
	return nil
}

// Newest returns the newest checkpoint that verifies, nil if there is none at all. It says which it passed over and why; if all
// are damaged the error has them all.
func (c *Checkpoints) Newest() (*Saved, error) {
	steps, err := c.steps()
	if err != nil {
		return nil, err
	}
	var damaged []error
	for _, step := range slices.Backward(steps) {
		saved, err := c.verify(step)
		if err == nil {
			c.last = step
			return saved, nil
		}
		c.warn("checkpoint %s is passed over: %v", c.path(step), err)
		damaged = append(damaged, err)
	}
	if len(damaged) > 0 {
		return nil, fmt.Errorf("none of %d checkpoints in %s can be used: %w", len(damaged), c.Dir, errors.Join(damaged...))
	}
	return nil, nil
}

// verify reads a checkpoint but for its variables, and checks every byte of it against the manifest.
func (c *Checkpoints) verify(step int64) (*Saved, error) {
	manifest, err := atomic.VerifyFolder(c.FS, c.path(step))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(c.path(step), savedName)
	r, err := c.FS.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, savedBytes))
	if err != nil {
		return nil, err
	}
	s := &Saved{}
	refuse := func(format string, args ...any) error {
		return checkpoint.InFile(checkpoint.Refuse(checkpoint.BadManifest, format, args...), path)
	}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, refuse("%v", err)
	}
	if s.FormatVersion != savedVersion {
		return nil, refuse("format_version is %d, want %d", s.FormatVersion, savedVersion)
	}
	if s.State.Step != step || manifest.Step != step {
		return nil, refuse("step is %d, and %d in %s, want %d", s.State.Step, manifest.Step, atomic.ManifestName, step)
	}
	for _, name := range []string{prefixName(step) + ".data-00000-of-00001", prefixName(step) + ".index", savedName} {
		if !slices.ContainsFunc(manifest.Files, func(f atomic.ManifestFile) bool { return f.Name == name }) {
			return nil, refuse("%s does not list %s", atomic.ManifestName, name)
		}
	}
	return s, nil
}

func (c *Checkpoints) warn(format string, args ...any) {
	if c.Warn != nil {
		c.Warn(fmt.Sprintf(format, args...))
	}
}
