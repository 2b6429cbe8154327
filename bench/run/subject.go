package main

// A subject is what a measurement is about: programs that send a workload,
// and the kind of subscribers that fits them. A new subject is one more value
// here, the mains that it names, and a file in bench/load for a new kind.
type subject struct {
	name string
	// programs are started in order. The first is the one that is measured,
	// and the one that the subscribers connect to.
	programs []program
	// load is the -kind of bench/load.
	load string
}

// A program is a main package below bench. It takes -w and -idle and speaks
// package control.
type program struct {
	name string
	// args are added; "{url}" stands for the URL of the first program.
	args []string
}

// The floor is the first: the others are compared with it.
var subjects = []subject{
	{name: "floor", programs: []program{{name: "floor"}}, load: "raw"},
	{name: "server", programs: []program{{name: "server"}}, load: "moqt"},
	{name: "server-web", programs: []program{{name: "server"}}, load: "web"},
	{name: "relay", programs: []program{{name: "relay"}, {name: "publish", args: []string{"-url", "{url}"}}}, load: "moqt"},
	{name: "relay-web", programs: []program{{name: "relay"}, {name: "publish", args: []string{"-url", "{url}"}}}, load: "web"},
}
