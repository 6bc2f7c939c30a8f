"""The tests of Kokin. Helper modules of a folder serve the tests of other folders, too."""
