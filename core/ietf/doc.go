// Package ietf speaks IETF moq-transport 14, 16, 18 and 19, and 20 as it is so
// far. A draft is a row of Profiles; handlers and messages ask the row what its
// draft does and never compare version numbers.
//
// The walk of types, from bytes to meaning:
//
//   - A Profile names the draft: its integers, its set of message types, its
//     parameters, its legal type bytes and its numbers for errors.
//   - A message is one control message, the same Go type in every draft:
//     readMessage returns it by its type number and encode writes it. What 14
//     has as fixed fields, and later drafts as parameters, is in parameters in
//     all of them. Numbers of errors stay as they are on the wire; codes.go
//     translates them.
//   - requestOK and requestError are the answers to every kind of request; 14
//     has a message type for each kind, so both carry the kind.
//   - streamKind and datagramKind say what a first integer opens: SETUP, a
//     subgroupHeader, a fetchHeader, padding.
//   - Behind a subgroupHeader come objects: readObject and appendObject, with
//     an objectIDs that knows the object before. Behind a fetchHeader come
//     fetchObjects, read and appended by a fetchCursor. Payloads follow their
//     header and are up to the caller.
//   - Properties are kept raw, in the order of arrival, as []moq.Property.
//   - A violation ends the session with its code, a refusal answers one request
//     with its code; decodeCode finds the code for any error of a decoder.
package ietf
