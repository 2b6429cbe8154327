package adversary

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every test that the table of threats names exists, one of this package plays
// the row, and the table names all that say that they do.
func TestTableOfThreats(t *testing.T) {
	table, err := os.ReadFile("../../docs/threats.md")
	require.NoError(t, err)
	declared := map[string]bool{}
	played := map[string][]string{} // by row
	declaration := regexp.MustCompile(`((?:\n//.*)*)\nfunc ((?:Test|Benchmark|Fuzz)\w+)\(`)
	claim := regexp.MustCompile(`(?i)\brows? (\d+(?:(?:, | and )\d+)*)`)
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			if d != nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
				return fs.SkipDir
			}
			return err
		}
		src, err := os.ReadFile(path)
		for _, m := range declaration.FindAllSubmatch(src, -1) {
			declared[string(m[2])] = true
			if filepath.Base(filepath.Dir(path)) != "adversary" {
				continue
			}
			for _, c := range claim.FindAllSubmatch(m[1], -1) {
				for _, row := range regexp.MustCompile(`\d+`).FindAllString(string(c[1]), -1) {
					played[row] = append(played[row], string(m[2]))
				}
			}
		}
		return err
	}))
	rows := 0
	for _, line := range strings.Split(string(table), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 7 || !regexp.MustCompile(`^ \d+ $`).MatchString(cells[1]) {
			continue
		}
		rows++
		names := regexp.MustCompile(`(?:Test|Benchmark|Fuzz)\w+`).FindAllString(cells[4], -1)
		require.NotEmpty(t, names, "row%shas no test", cells[1])
		for _, name := range names {
			require.True(t, declared[name], "row%snames %s, which does not exist", cells[1], name)
		}
		require.NotEmpty(t, played[strings.TrimSpace(cells[1])], "nothing here plays row%s", cells[1])
		require.Subset(t, names, played[strings.TrimSpace(cells[1])], "tests of row%s", cells[1])
	}
	require.Equal(t, 31, rows)
}
