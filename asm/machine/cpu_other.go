//go:build !linux

package machine

import "time"

// CPUQuota returns 0: there are no control groups here.
func CPUQuota() float64 { return 0 }

// Throttled returns 0: there are no control groups here.
func Throttled() time.Duration { return 0 }
