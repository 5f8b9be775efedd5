// Package power decides when a node may be switched on, shut down and cut.
package power
