// Package directory reaches files in a folder of the operating system, and in no other:
// no symbolic link below the root is followed, what is opened is a regular file, and a
// folder can be seen as somebody else sees it.
//
// It imports the seam, package volume, filelog, whose files it has, and the format's word
// for holes in files. It has no locks: what the running kernel can do is found out once.
package directory
