"""Makes what is published: `make dist`.

__main__    builds the distributions, has them checked, and lists their parts
check       what must be true of a distribution before anybody gets it
npm         packs the scripts for pages of other sites, with their types
parts       the list of all parts of a release (SBOM), in CycloneDX's form
"""
