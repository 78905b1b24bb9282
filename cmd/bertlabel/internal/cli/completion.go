package cli

import "github.com/spf13/cobra"

// NewCompletion returns the verb completion.
func NewCompletion(*App) *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish|powershell",
		Short:     "Print the completion script of a shell",
		Example:   "  source <(bertlabel completion bash)\n  bertlabel completion zsh > ~/.zfunc/_bertlabel",
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      OneArg("bash, zsh, fish or powershell"),
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return Usagef("unknown shell %q: want bash, zsh, fish or powershell", args[0])
		},
	}
}
