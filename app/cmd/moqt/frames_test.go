package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func all(t *testing.T, f *frames) (out []string, end error) {
	t.Helper()
	for {
		b, err := f.next()
		if err != nil {
			assert.Empty(t, b)
			return out, err
		}
		require.NotEmpty(t, b)
		out = append(out, string(b))
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for in, want := range map[string][]string{
		"":               nil,
		"a":              {"a"},
		"a\n":            {"a\n"},
		"a\n\nb\r\nc":    {"a\n", "\n", "b\r\n", "c"},
		long + "yz\nend": {long, "yz\n", "end"},
	} {
		got, err := all(t, newFrames(strings.NewReader(in), true, 0))
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, want, got)
	}
}

func TestChunksAreTheStreamAgain(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	data := make([]byte, 20_001)
	_, _ = random.Read(data)
	for _, chunk := range []int{1, 7, 8 << 10, 100_000} {
		for name, r := range map[string]io.Reader{
			"whole":    bytes.NewReader(data),
			"halves":   iotest.HalfReader(bytes.NewReader(data)),
			"with EOF": iotest.DataErrReader(bytes.NewReader(data)),
		} {
			got, err := all(t, newFrames(r, false, chunk))
			assert.Equal(t, io.EOF, err)
			assert.Equal(t, string(data), strings.Join(got, ""), "%d %s", chunk, name)
			for _, frame := range got {
				require.LessOrEqual(t, len(frame), chunk)
			}
		}
	}
}

func TestFramesEndWithTheError(t *testing.T) {
	broken := errors.New("broken pipe")
	for _, lines := range []bool{true, false} {
		in := io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken))
		got, err := all(t, newFrames(in, lines, 100))
		assert.Equal(t, broken, err)
		assert.Equal(t, "a\nb", strings.Join(got, ""))
	}
}
