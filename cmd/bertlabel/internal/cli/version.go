package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"bertlabel/asm"
	"bertlabel/tensor"

	"github.com/klauspost/cpuid/v2"
	"github.com/spf13/cobra"
)

// BuildInfo is what `version --json` prints.
type BuildInfo struct {
	Version    string   `json:"version"`
	Revision   string   `json:"revision"` // the commit; "+" at its end: with local changes
	Go         string   `json:"go"`
	Platform   string   `json:"platform"`
	Kernels    string   `json:"kernels"`     // the set in use
	KernelSets []string `json:"kernel_sets"` // those that this CPU and build can run, best first

	Precisions     []string `json:"precisions"`      // all that there are
	FastPrecisions []string `json:"fast_precisions"` // those in which the set in use is faster than in fp32, and fp32
	AutoPrecision  string   `json:"auto_precision"`  // what --precision auto is

	CPU         string   `json:"cpu"`
	CPUFeatures []string `json:"cpu_features"`
}

// NewVersion returns the verb version.
func NewVersion(a *App) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the kernel set in use and what the CPU offers",
		Example: "  bertlabel version\n  bertlabel version --json",
		RunE: func(*cobra.Command, []string) error {
			b := ReadBuildInfo()
			if asJSON {
				return json.NewEncoder(a.Stdout).Encode(b)
			}
			return b.Print(a.Stdout)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// Print writes it for people.
func (b BuildInfo) Print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "bertlabel %s, revision %s\n%s, %s\nkernels %s, of %s\n"+
		"precisions %s, fast: %s; auto is %s\nCPU %s: %s\n",
		b.Version, b.Revision, b.Go, b.Platform, b.Kernels, strings.Join(b.KernelSets, " "), strings.Join(b.Precisions, " "),
		strings.Join(b.FastPrecisions, " "), b.AutoPrecision, b.CPU, strings.Join(b.CPUFeatures, " "))
	return err
}

// ReadBuildInfo describes this build and the CPU that it runs on.
func ReadBuildInfo() BuildInfo {
	b := BuildInfo{
		Version: "(devel)", Revision: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Kernels: asm.Best.Name, AutoPrecision: tensor.Auto.Resolve().String(), CPU: cpuid.CPU.BrandName, CPUFeatures: cpuFeatures(),
	}
	for _, set := range asm.Sets() {
		b.KernelSets = append(b.KernelSets, set.Name)
	}
	for _, p := range []tensor.Precision{tensor.FP32, tensor.BF16, tensor.Int8} {
		b.Precisions = append(b.Precisions, p.String())
		if p.Fast() {
			b.FastPrecisions = append(b.FastPrecisions, p.String())
		}
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	vcs := map[string]string{}
	for _, s := range info.Settings {
		vcs[s.Key] = s.Value
	}
	if r := vcs["vcs.revision"]; r != "" {
		b.Revision = r
		if vcs["vcs.modified"] == "true" {
			b.Revision += "+"
		}
	}
	return b
}

// cpuFeatures returns those of the CPU's features that decide which kernels it runs.
func cpuFeatures() []string {
	features := []string{}
	for _, f := range []cpuid.FeatureID{cpuid.SSE2, cpuid.AVX, cpuid.AVX2, cpuid.FMA3, cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512VL,
		cpuid.AVX512DQ, cpuid.AVX512VNNI, cpuid.AVX512BF16, cpuid.AVXVNNI, cpuid.ASIMD, cpuid.ASIMDDP, cpuid.BF16, cpuid.I8MM} {
		if cpuid.CPU.Supports(f) {
			features = append(features, f.String())
		}
	}
	return features
}
