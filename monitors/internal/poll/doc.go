// Package poll asks servers how they are, over and over, one connection each, and tells bad answers from bad servers. It
// is what the monitors share.
package poll
