package benchcmd

import "bertlabel/cmd/bertlabel/internal/cmdtest"

// bertlabel runs one command line of the verb.
var bertlabel = cmdtest.Verbs(NewBench)
