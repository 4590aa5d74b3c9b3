// Package objectstore starts object stores on loopback that tests act on: real servers, of
// whose programs the folders below pin the versions in modules of their own, so that the
// project's own module does not depend on them.
package objectstore
