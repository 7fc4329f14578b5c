/** Functions that walk over bytes, and why each is long. */
export const byteLoops: { readonly [place: string]: string } = {
  'sources/cdc/wire/pgoutput.ts: pgoutputDecoder':
    'reads a message at its offset, its functions share the buffer and the relations that it knows',
  'sources/files/text/file-records.ts: recordPass': 'one pass over the bytes of a file, its state in local variables',
  'sources/files/text/record-splitter.ts: recordSplitter':
    'finds the ends of records byte by byte, its state in local variables',
}
