package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/spec"
)

// expectHTTP1 changes what case http2/3.5/2 expects. The case sends a line that is not a preface, and expects the
// connection to be closed without a response. A port that also speaks HTTP/1.1 has to treat the line as a malformed
// HTTP/1.1 request, and answers it before it closes the connection.
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
