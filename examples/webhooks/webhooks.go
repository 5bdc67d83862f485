// Package webhooks holds sample webhook bodies: one file, one POST body. What
// each shows stands in README.md.
package webhooks

import "embed"

// Bodies are the sample files.
//
//go:embed *.json
var Bodies embed.FS
