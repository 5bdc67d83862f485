package testenv

import (
	"net"
	"testing"
)

func TestAnAddressIsGivenToOneTestAndFreeForIt(t *testing.T) {
	t.Parallel()
	given := map[string]bool{}
	for range 100 {
		address := FreeAddress(t)
		if given[address] {
			t.Fatalf("%s was given twice", address)
		}
		given[address] = true
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
}
