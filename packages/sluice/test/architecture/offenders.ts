/**
 * What breaks a limit of `sizes.test.ts` and is known to. A list may only shrink: what no longer breaks its limit must be taken off. The one list that stays
 * is that of byte loops, where what is one function is one for its speed.
 */

/** Functions that walk over bytes, and why each is long. */
export const byteLoops: { readonly [place: string]: string } = {
  'sources/cdc/wire/pgoutput.ts: pgoutputDecoder':
    'reads a message at its offset, its functions share the buffer and the relations that it knows',
  'sources/cdc/wire/tuple-image.ts: tupleReader': 'writes the JSON of a row while it reads its bytes, into one buffer',
  'sources/files/text/file-records.ts: recordPass': 'one pass over the bytes of a file, its state in local variables',
  'sources/files/text/record-splitter.ts: recordSplitter':
    'finds the ends of records byte by byte, its state in local variables',
}

export const knownLongFiles: readonly string[] = []

export const knownFunctions: readonly string[] = ['sources/cdc/transactions.ts: transactionAssembler']

export const knownFolders: readonly string[] = []

/** Each a group of files that reach each other. */
export const knownCycles: readonly string[] = []
