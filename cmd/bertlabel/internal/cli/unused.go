package cli

// Unused is a rule for flags that a command line has no use for.
type Unused struct {
	If    bool     // the rule applies
	Why   string   // what there is instead, or what the flags need
	Flags []string // without hyphens
}

// RefuseUnused refuses the first flag of a rule that applies which given says is there. Flags of config files and of the environment may be
// for other runs: given is to tell which stand on the command line (OnCommandLine).
func RefuseUnused(given func(flag string) bool, rules ...Unused) error {
	for _, rule := range rules {
		for _, flag := range rule.Flags {
			if rule.If && given(flag) {
				return Usagef("--%s would change nothing: %s", flag, rule.Why)
			}
		}
	}
	return nil
}
