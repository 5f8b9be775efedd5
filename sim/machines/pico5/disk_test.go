package pico5

import (
	"strings"
	"testing"
)

// header is the part of what dumpe2fs -h prints that matters.
const header = `Filesystem volume name:   root
Last mounted on:          /
Filesystem features:      has_journal ext_attr resize_inode dir_index filetype extent 64bit flex_bg sparse_super large_file metadata_csum
Filesystem flags:         signed_directory_hash
Filesystem state:         clean
Errors behavior:          Continue
Journal features:         journal_64bit journal_checksum_v3
`

func TestWhyHurt(t *testing.T) {
	for _, test := range []struct{ from, to, want string }{
		{"", "", ""},
		{"filetype extent", "filetype needs_recovery extent", "needs_recovery"},
		{"metadata_csum", "metadata_csum needs_recovery", "needs_recovery"},
		{"        clean", "        not clean", "state not clean"},
		{"        clean", "        clean with errors", "state clean with errors"},
		// A feature of the journal, and of what comes after it, is none of the file system.
		{"journal_64bit", "needs_recovery", ""},
	} {
		got, err := whyHurt(strings.Replace(header, test.from, test.to, 1))
		if err != nil || got != test.want {
			t.Errorf("%q: got %q, %v", test.to, got, err)
		}
	}
	for _, header := range []string{"", "Filesystem state: clean\n", "Filesystem features: extent\n"} {
		if got, err := whyHurt(header); err == nil {
			t.Errorf("%q is taken for a header, hurt %q", header, got)
		}
	}
}
