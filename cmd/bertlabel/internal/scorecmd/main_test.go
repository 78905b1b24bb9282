package scorecmd

import "bertlabel/cmd/bertlabel/internal/cmdtest"

// bertlabel runs one command line of these verbs.
var bertlabel = cmdtest.Verbs(NewPredict, NewEval, NewEmbed, NewExplain, NewMetrics, NewParts)
