package interop

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moqtgo/moqt/app/moqt"
)

// Versions returns the drafts of moq-transport that are spoken here, by their
// ALPN and the preferred one first. moq-lite is none of the runner's business.
func Versions() []string {
	return slices.DeleteFunc(moqt.Versions(), func(v string) bool { return !strings.HasPrefix(Draft(v), "draft-") })
}

// Offered returns those of Versions that are offered where none is asked for:
// drafts that are published. The runner foretells what is negotiated from what
// is registered, and a preview is not.
func Offered() []string {
	return slices.DeleteFunc(Versions(), func(v string) bool { return v == "moqt-20" })
}

// Draft is what the runner calls a version: draft-18 for moqt-18.
func Draft(version string) string {
	if version == "moq-00" {
		return "draft-14"
	}
	if n, ok := strings.CutPrefix(version, "moqt-"); ok {
		return "draft-" + n
	}
	return version
}

// Version returns the ALPN of a draft, which may be written as 18, draft-18 or
// moqt-18.
func Version(draft string) (string, error) {
	for _, v := range Versions() {
		if draft == v || draft == Draft(v) || "draft-"+draft == Draft(v) {
			return v, nil
		}
	}
	var known []string
	for _, v := range Versions() {
		known = append(known, Draft(v))
	}
	return "", fmt.Errorf("the draft %q is not spoken here: want one of %s", draft, strings.Join(known, ", "))
}
