// Package chart draws who descends from whom: as text for a terminal, as a graph in the
// language of Graphviz, and as a picture that browsers show. It draws what it is given,
// names as others wrote them among it, and what it makes is bounded by that. It imports
// lineage, does no I/O of its own, and holds no locks.
package chart
