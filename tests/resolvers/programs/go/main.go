// Looks one name up as Go programs do, and prints what came: addresses, or what the error is like.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		os.Exit(2)
	}
	addresses, err := net.DefaultResolver.LookupHost(context.Background(), os.Args[1])
	var dns *net.DNSError
	switch {
	case err == nil:
		fmt.Print("found")
		for _, address := range addresses {
			fmt.Print(" ", address)
		}
		fmt.Println()
	case errors.As(err, &dns) && dns.IsNotFound:
		fmt.Println("error NoName")
	default:
		fmt.Println("error TryAgain")
	}
}
