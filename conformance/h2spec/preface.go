package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/spec"
)

// expectHTTP1 changes what case http2/3.5/2 wants to see. It sends a line that is no preface, and takes for closed only a
// connection that is closed without a word. A port that speaks HTTP/1.1 as well has to take that line for a bad request
// of HTTP/1.1, says so, and then closes.
func expectHTTP1(group *spec.TestGroup) {
	for _, section := range group.Groups {
		if section.Section == "3.5" {
			section.Tests[1].Run = refusesAndCloses
		}
		expectHTTP1(section)
	}
}

func refusesAndCloses(c *config.Config, conn *spec.Conn) error {
	conn.Send([]byte("INVALID CONNECTION PREFACE\r\n\r\n"))
	answer, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		return fmt.Errorf("answered %q", answer)
	}
	return nil
}
