package moq

// A Carriage says what one version of a protocol can carry of a track. What
// it names is what can be lost: nothing else differs between versions.
type Carriage struct {
	// Whole says that a group is one sequence of payloads, as in moq-lite: no
	// subgroups, ids, statuses, properties, or priorities within a track.
	Whole bool
	// MaxNumber is the largest id, property type and number.
	MaxNumber uint64

	// Timestamps says that objects may have one: of their own where Whole,
	// otherwise as a property.
	Timestamps bool
	// Datagrams says what may be one.
	Datagrams Datagrams
	// Sorted says that properties are written in the order of their types.
	Sorted bool
	// Pairs is the encoding of properties inside of properties; 0: there are none.
	Pairs uint8
	// Missing says that there is the status "does not exist".
	Missing bool
	// StatusProperties says that objects with another status than that may
	// have properties.
	StatusProperties bool
	// NoStatus says that objects have none.
	NoStatus bool
	// FirstObject says that a stream tells whether it starts with the first
	// object of its subgroup; otherwise only object 0 does.
	FirstObject bool

	// Info says what is told of a track, Order what holds where that is not.
	Info  InfoForm
	Order Order
	// FetchStatus says that a FETCH tells the status of objects.
	FetchStatus bool
	// FetchDatagrams says that a FETCH tells which objects were datagrams.
	// Otherwise they come in a subgroup that has their id.
	FetchDatagrams bool
}

// Datagrams says which objects of a version may be datagrams.
type Datagrams uint8

const (
	NoDatagrams    Datagrams = iota
	WholeDatagrams           // object 0 where it is its whole group
	AnyDatagrams
)

// An InfoForm says what a version tells of a track.
type InfoForm uint8

const (
	InfoNone       InfoForm = iota // nothing
	InfoOrder                      // the order of groups
	InfoDelivery                   // priority, order and age
	InfoTimed                      // … and the timescale, always
	InfoProperties                 // properties, in which all of it is
)

// Fetched returns what a FETCH of the version carries.
func (c Carriage) Fetched() Carriage {
	c.NoStatus = !c.FetchStatus
	if !c.FetchDatagrams {
		c.Datagrams = NoDatagrams
	}
	c.Missing = c.Missing && c.FetchStatus
	return c
}
