package metricdef

// named are the values of one tag name.
type named struct {
	name  uint32 // symbol
	pairs []uint32
}

// namedBytes is about what a name takes besides the list of its values.
const namedBytes = 32

// fewNames is how many names are looked through one by one. Nearly every tenant has fewer, and a map of its own would take more
// memory than all of them.
const fewNames = 16

// names are the tag names of one tenant with their values.
type names struct {
	list []named
	at   map[uint32]int // by symbol the place in list; nil: there are few
}

// place is where a name is in the list, -1 if it is not.
func (n *names) place(name uint32) int {
	if n.at != nil {
		if i, ok := n.at[name]; ok {
			return i
		}
		return -1
	}
	for i := range n.list {
		if n.list[i].name == name {
			return i
		}
	}
	return -1
}

// of are the values of a name, nil if there are none. They are to be used before another name comes or goes.
func (n *names) of(name uint32) *named {
	if i := n.place(name); i >= 0 {
		return &n.list[i]
	}
	return nil
}

// add makes room for the values of a new name.
func (n *names) add(name uint32) *named {
	n.list = append(growSlice(n.list), named{name: name})
	if n.at != nil {
		n.at[name] = len(n.list) - 1
	} else if len(n.list) > fewNames {
		n.at = make(map[uint32]int, 2*fewNames)
		for i := range n.list {
			n.at[n.list[i].name] = i
		}
	}
	return &n.list[len(n.list)-1]
}

// forget takes a name away.
func (n *names) forget(name uint32) {
	i, last := n.place(name), len(n.list)-1
	n.list[i] = n.list[last]
	n.list[last] = named{}
	n.list = n.list[:last]
	if n.at != nil {
		delete(n.at, name)
		if i < last {
			n.at[n.list[i].name] = i
		}
	}
}
