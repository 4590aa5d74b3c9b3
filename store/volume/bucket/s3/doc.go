// Package s3 reaches buckets of servers that speak S3, by Amazon's own client, which is
// asked to try nothing twice and to send tags as the server gave them.
//
// Settings and rights come from where Amazon's tools take them: the environment
// (AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL and the others), the files
// of ~/.aws, and the machine's own role.
//
// It imports objects, and holds no lock.
package s3
