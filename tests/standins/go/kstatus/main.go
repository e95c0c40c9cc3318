// Reads Kubernetes objects as JSON from standard input and prints, for each, a line of JSON: what Flux's kstatus and the
// Kubernetes project's own say about its status.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	flux "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	sigs "sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// verdict is what one library says.
type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// answer is the line for one object: both verdicts, or why there are none.
type answer struct {
	Flux  *verdict `json:"flux,omitempty"`
	Sigs  *verdict `json:"sigs,omitempty"`
	Error string   `json:"error,omitempty"`
}

// computed asks both libraries. They have a result type each, which is why neither is hidden behind a common function.
func computed(text []byte) answer {
	var object unstructured.Unstructured
	// Not the plain decoder: the libraries want whole numbers as int64, and this one gives them so.
	if err := object.UnmarshalJSON(text); err != nil {
		return answer{Error: err.Error()}
	}
	fluxs, err := flux.Compute(&object)
	if err != nil {
		return answer{Error: "flux: " + err.Error()}
	}
	sigss, err := sigs.Compute(&object)
	if err != nil {
		return answer{Error: "sigs: " + err.Error()}
	}
	return answer{
		Flux: &verdict{fluxs.Status.String(), fluxs.Message},
		Sigs: &verdict{sigss.Status.String(), sigss.Message},
	}
}

func answerAll(input io.Reader, output io.Writer) error {
	// A decoder instead of lines, for a scanner of lines has a greatest length.
	objects, answers := json.NewDecoder(input), json.NewEncoder(output)
	for {
		var text json.RawMessage
		if err := objects.Decode(&text); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := answers.Encode(computed(text)); err != nil {
			return err
		}
	}
}

func main() {
	output := bufio.NewWriter(os.Stdout)
	err := answerAll(os.Stdin, output)
	if err = errors.Join(err, output.Flush()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
