package benchcmd

import (
	"context"
	"fmt"

	"bertlabel/bert"
	"bertlabel/cmd/bertlabel/internal/bench"
)

// ladderProduct is what --ladder computes unless --gemm names another: BERT-base's intermediate layer over 128 tokens.
const ladderProduct = "128x3072x768"

// runLadders shows each product, computed in all ways.
func (b *benchmark) runLadders(ctx context.Context) error {
	for _, p := range b.Products {
		l := bench.NewLadder(p, b.threads)
		if err := b.runLadder(ctx, l); err != nil {
			return err
		}
		if err := b.runEpilogues(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// runLadder measures the rungs, and between them the peak again: of these the largest is the 100 %, since other programs disturb it too.
// The % are of so many threads as the rung has.
func (b *benchmark) runLadder(ctx context.Context, l *bench.Ladder) error {
	rungs := l.Rungs()
	times := make([]bench.Times, len(rungs))
	for i, r := range rungs {
		var err error
		if times[i], _, err = l.Run(ctx, r, b.Runs); err != nil {
			return err
		}
		b.peak = max(b.peak, bench.Peak(b.threads, bert.FP32))
	}
	err := b.text("\nC[%d×%d] = A[%d×%d]·B[%d×%d], one thread unless it says all; peak %.1f GFLOP/s a thread\n"+
		"%-12s %9s %8s %7s %10s %5s  %s\n", l.M, l.N, l.M, l.K, l.K, l.N, b.peak/1e9/float64(b.threads),
		"", "ms", "GFLOP/s", "% peak", "loads/FMA", "sums", "what changed")
	if err != nil {
		return err
	}
	for i, r := range rungs {
		row := b.ladderRow(l, "bertlabel_ladder", r.Name, r.Threads, times[i])
		sums := float64(r.Sums)
		row.Loads, row.Sums = round(r.Loads, 3), &sums
		err = b.print(row, "%-12s %9.3f %8.2f %7.1f %10.2f %5d  %s\n",
			r.Name, row.MSMin, l.FLOP()/times[i].Least().Seconds()/1e9, row.PercentOfPeak, r.Loads, r.Sums, r.Change)
		if err != nil {
			return err
		}
	}
	return nil
}

// runEpilogues measures what follows the product.
func (b *benchmark) runEpilogues(ctx context.Context, l *bench.Ladder) error {
	if err := b.text("\nwhat follows the product, one thread\n%-38s %9s %12s\n", "", "ms", "on top"); err != nil {
		return err
	}
	alone := 0.0
	for i, e := range l.Epilogues() {
		times, _, err := l.RunEpilogue(ctx, e, b.Runs)
		if err != nil {
			return err
		}
		row := b.ladderRow(l, "bertlabel_epilogue", e.Name, 1, times)
		onTop := ""
		if i == 0 {
			alone = row.MSMin
		} else {
			onTop = fmt.Sprintf("%+.1f %%", 100*(row.MSMin/alone-1))
		}
		if err := b.print(row, "%-38s %9.3f %12s\n", e.Name, row.MSMin, onTop); err != nil {
			return err
		}
	}
	return nil
}

func (b *benchmark) ladderRow(l *bench.Ladder, peer, rung string, threads int, times bench.Times) benchRow {
	row := b.row(peer, times, l.FLOP())
	row.Model, row.M, row.N, row.K = fmt.Sprintf("%dx%dx%d", l.M, l.N, l.K), l.M, l.N, l.K
	row.Rung, row.Threads = rung, threads
	peak := b.peak * float64(threads) / float64(b.threads)
	row.PeakGFLOPS, row.PercentOfPeak = round(peak/1e9, 1), round(100*l.FLOP()/times.Least().Seconds()/peak, 1)
	return row
}
