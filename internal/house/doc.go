// Package house tests the order of the project: which package may import
// which, what stands at the top, and whether the documents tell the truth. It
// has no code of its own.
//
//	what must hold                                            proven by
//	imports point one way, each ban has its reason            TestImports
//	every package has its place in that order                 TestEveryPackageHasItsPlace
//	a program that only talks to a host links no server       TestClientsLinkNoServer
//	every package says what it is                             TestPackageDocs
//	nothing unknown stands at the top                         TestTopLevel
//	git ignores no source                                     TestIgnoredNames
//	relative links and anchors of the documents resolve       TestLinks
//	a test that a document names exists                       TestPromisesNameTests
//	every direct dependency has its line in docs/adr          TestDependenciesAreDecided
//	decisions are numbered, each once                         TestDecisionNumbers
//	every example is run by a test                            TestExamplesAreTested
//
// The tests read source files; only TestClientsLinkNoServer and
// TestDependenciesAreDecided call the go command. A package of the order that
// does not exist is no error.
package house
