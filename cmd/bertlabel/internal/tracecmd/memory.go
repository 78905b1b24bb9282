package tracecmd

import (
	"fmt"

	"bertlabel/asm/machine"
	"bertlabel/bert/trace"
	"bertlabel/cmd/bertlabel/internal/cli"
	"bertlabel/cmd/bertlabel/internal/term"
	"bertlabel/cmd/bertlabel/internal/tracepage"
)

// admit refuses, before the first pass, what the memory budget has no room for. The weights are held already.
func (t *tracing) admit() error {
	tokens, what, hint := len(t.text.IDs), "trace", "; --max-seq-length cuts the text"
	need := trace.StagesMemory(t.m, tokens)
	switch {
	case t.Backward:
		var err error
		if need, err = trace.BackwardMemory(t.m, tokens); err != nil {
			return nil // NewBackward says what is wrong
		}
		what, hint = "trace --backward", ""
	case t.changes():
		need, what, hint = trace.CompareMemory(t.m, tokens), "a text on bert/plain, in float64, twice,", ""
	case t.HTML != "":
		need += tracepage.Memory(&t.m.Encoder.Config, tokens, t.Layer != nil)
	}
	held := max(machine.Held(), t.m.Encoder.WeightsMemory())
	if limit := int(t.app.MaxMemory); limit > 0 && held+need > limit {
		return cli.WithCode(cli.ExitResources, fmt.Errorf("%s of %d tokens needs about %s beside the %s that the model takes, the memory "+
			"budget is %s (--max-memory)%s", what, tokens, term.Bytes(need), term.Bytes(held), term.Bytes(limit), hint))
	}
	return nil
}
