// Package directory reaches files in a folder of the operating system, and in no other:
// no symbolic link below the root is followed, what is opened is a regular file, and a
// folder can be seen as somebody else sees it.
//
// It imports the seam, package volume, filelog, whose files it has, and the format's word
// for holes in files. Its
// locks guard what is known of the running kernel and are held across no call into
// another package.
package directory
