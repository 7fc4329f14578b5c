/** 3xxx: sources. */
import { entry } from './entry.ts'

const inErrorFolder =
  'The delivered file is kept untouched in the error folder, and the table is as it was. Deliver a corrected file, then: sluice run'

const tableAsItWas = 'Nothing of this call was published; the table is as it was.'

/** Errors of sources. */
export const sourceErrors = {
  'Source.InputChanged': entry<{ file: string }>({
    code: 'SLU3001',
    title: 'An input changed while it was read.',
    message: ({ file }) => `"${file}" changed while it was being read; nothing of it was published.`,
    hint: () => 'The file is taken up again, as it is then, by the next: sluice run',
    retry: 'transient',
    exit: 1,
    explanation: 'Fault IN-24.',
  }),
  'Source.Dialect': entry<{ what: string; text: string; encoding: string }>({
    code: 'SLU3002',
    title: 'A declared character cannot be used.',
    message: ({ what, text, encoding }) =>
      `The declared ${what} ${JSON.stringify(text)} cannot be used with the encoding ${encoding}: ${what === 'delimiter' || what === 'recordEnd' ? 'it must have at least one character' : 'it must be exactly one character'} that the encoding can write.`,
    hint: () => 'Change it in the format of the source, then: sluice check',
    retry: 'terminal',
    exit: 2,
  }),
  'Source.EncodingDetected': entry<{ file: string; declared: string; found: string }>({
    code: 'SLU3003',
    title: 'A file is not in the declared encoding.',
    message: ({ file, declared, found }) =>
      `"${file}" is declared as ${declared}, but what was found is ${found}; nothing of it was published.`,
    hint: ({ found }) =>
      found.startsWith('utf-')
        ? `To accept it, add to the source: format: { encoding: '${found}' }. The file is kept in the error folder.`
        : inErrorFolder,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault IN-07. A UTF-8 byte order mark is taken off once; a UTF-16 one must be declared.',
  }),
  'Source.Header': entry<{ file: string; why: string; expected: string; found: string }>({
    code: 'SLU3004',
    title: 'The header of a file cannot be used.',
    message: ({ file, why, expected, found }) =>
      `The header of "${file}" cannot be used: ${why}. ${expected === '' ? '' : `Expected: ${expected}. `}Found: ${found}.`,
    hint: () => inErrorFolder,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Faults IN-09 and IN-11. Columns are found by their exact names, in any order; names are never repaired.',
  }),
  'Source.ColumnMissing': entry<{ file: string; missing: string; found: string }>({
    code: 'SLU3005',
    title: 'A file lacks columns of its contract.',
    message: ({ file, missing, found }) =>
      `"${file}" has no column ${missing}, which its contract names. Found: ${found}. Nothing of it was published.`,
    hint: () => inErrorFolder,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault IN-10. A column that is called otherwise in the file is declared with `from`.',
  }),
  'Source.ColumnExtra': entry<{ file: string; extra: string }>({
    code: 'SLU3006',
    title: 'A file has columns beyond its contract.',
    message: ({ file, extra }) =>
      `"${file}" has ${extra}, which its contract does not name. Nothing of it was published.`,
    hint: () =>
      "Add the column to the source, or ignore such columns: format: { extraColumns: 'ignore' }. The file is kept in the error folder.",
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault IN-10.',
  }),
  'Source.UnterminatedQuote': entry<{ file: string; line: number; offset: number; bytes: number }>({
    code: 'SLU3008',
    title: 'A quote that is never closed swallows a large part of a file.',
    message: ({ file, line, offset, bytes }) =>
      `The quote opened in the record at line ${line} (byte ${offset}) of "${file}" is never closed and swallows the remaining ${bytes} bytes; so the whole file was refused.`,
    hint: () => inErrorFolder,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault IN-02.',
  }),
  'Source.CompressionLimit': entry<{ file: string; limit: string }>({
    code: 'SLU3009',
    title: 'A compressed file grows beyond its limit.',
    message: ({ file, limit }) =>
      `"${file}" was not unpacked further, since it grows beyond ${limit}; nothing of it was published.`,
    hint: () =>
      'If the file is genuine, raise limits: { maxRatio, maxBytes } of the source. It is kept untouched in the error folder.',
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault IN-20.',
  }),
  'Source.ArchiveCorrupt': entry<{ file: string; why: string }>({
    code: 'SLU3010',
    title: 'A compressed file is damaged.',
    message: ({ file, why }) => `"${file}" is not an intact compressed file: ${why}. Nothing of it was published.`,
    hint: () => inErrorFolder,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault IN-21.',
  }),
  'Source.FileKind': entry<{ file: string; kind: string; declared: string; accept: string | undefined }>({
    code: 'SLU3070',
    title: 'A file is of another kind than declared.',
    message: ({ file, kind, declared }) =>
      `"${file}" is ${kind} by its first bytes, and is declared as ${declared}; nothing of it was published.`,
    hint: ({ accept }) =>
      `${accept === undefined ? 'Unpack or convert it, and deliver what is in it' : `To accept it, ${accept}`}. The file is kept in the error folder.`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Files are recognised by their first bytes, not by their names. gzip and zstd are unpacked under any name; zip, bzip2, xz, lz4 and 7z are not.',
  }),
  'Source.ZstdUnavailable': entry<{ file: string; node: string }>({
    code: 'SLU3071',
    title: 'A file is packed with zstd, and this Node cannot unpack it.',
    message: ({ file, node }) =>
      `"${file}" is packed with zstd, which Node ${node} cannot unpack; nothing of it was published.`,
    hint: () => 'Run Sluice with Node 22.15 or later, or deliver the file as gzip. It is kept in the error folder.',
    retry: 'terminal',
    exit: 1,
  }),
  'Source.Unreadable': entry<{ file: string; why: string }>({
    code: 'SLU3072',
    title: 'A file could not be read within its limits.',
    message: ({ file, why }) =>
      `"${file}" was read in a process of its own, as its footer does not tell its size, and not to its end: ${why}. Nothing of it was published.`,
    hint: () =>
      'If the file is genuine, write it again with smaller pages, or with a larger engine.memoryLimit. It is kept in the error folder.',
    retry: 'terminal',
    exit: 1,
    explanation:
      'Fault IN-27. A Parquet file whose pages are not those of its footer, or whose texts are written as what they share (DELTA_BYTE_ARRAY), may come to any size. It is read once in a process with caps on memory and time before the run reads it.',
  }),
  'Source.FileDate': entry<{ file: string; pattern: string }>({
    code: 'SLU3011',
    title: 'A file name holds no date of the declared pattern.',
    message: ({ file, pattern }) =>
      `The name of "${file}" holds no date written as ${pattern}, by which the files of this source are ordered.`,
    hint: () => inErrorFolder,
    retry: 'terminal',
    exit: 1,
  }),
  'Source.DuplicateContent': entry<{ file: string; earlier: string }>({
    code: 'SLU3012',
    title: 'The same content was delivered under another name.',
    message: ({ file, earlier }) =>
      `"${file}" has, byte for byte, the content of "${earlier}", which was taken before.`,
    hint: () =>
      "This source is declared with duplicateContent: 'error'. The table is as it was; the file is kept in the error folder.",
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault IN-25.',
  }),
  'Source.ChangedContent': entry<{ file: string }>({
    code: 'SLU3013',
    title: 'A known file name was delivered with other content.',
    message: ({ file }) => `"${file}" was taken before with other content.`,
    hint: () =>
      "This source is declared with changedContent: 'error'. The table is as it was; the file is kept in the error folder.",
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault IN-25.',
  }),
  'Source.Path': entry<{ path: string; why: string }>({
    code: 'SLU3014',
    title: 'A path is not allowed.',
    message: ({ path, why }) => `The path "${path}" is not allowed: ${why}.`,
    retry: 'terminal',
    exit: 2,
    explanation: 'Fault IN-29.',
  }),
  'Source.Format': entry<{ file: string; why: string }>({
    code: 'SLU3016',
    title: 'A file is not what its format says.',
    message: ({ file, why }) => `"${file}" cannot be read as its format says: ${why}. Nothing of it was published.`,
    hint: () => inErrorFolder,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault IN-27.',
  }),
  'Source.ColumnType': entry<{ file: string; column: string; found: string; expected: string }>({
    code: 'SLU3017',
    title: 'A column of a file has a type that does not fit its contract.',
    message: ({ file, column, found, expected }) =>
      `The column "${column}" of "${file}" is ${found}, which does not become ${expected} without the risk of loss.`,
    hint: () => 'Declare the column with a type that holds every value of the file, then: sluice run',
    retry: 'terminal',
    exit: 1,
  }),
  'Source.OlderDelivery': entry<{ file: string; newer: string }>({
    code: 'SLU3018',
    title: 'A delivery is older than the one the table holds.',
    message: ({ file, newer }) =>
      `"${file}" is older, by its date or name, than "${newer}", which this source (mode: 'replace') holds already.`,
    hint: () => inErrorFolder,
    retry: 'terminal',
    exit: 1,
  }),
  'Source.TooLarge': entry<{ file: string; bytes: number; limit: number }>({
    code: 'SLU3019',
    title: 'A file is larger than its limit.',
    message: ({ file, bytes, limit }) => `"${file}" has ${bytes} bytes, more than the limit of ${limit}.`,
    hint: () => 'Raise limits: { maxBytes } of the source if the file is genuine. It is kept in the error folder.',
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault IN-19.',
  }),
  'Source.NothingFound': entry<{ path: string }>({
    code: 'SLU3021',
    title: 'No file was found.',
    message: ({ path }) => `No file matches "${path}".`,
    hint: () => 'Paths are relative to the project; * and ? stand for parts of a name, ** for folders.',
    retry: 'terminal',
    exit: 2,
  }),
  'Source.ContractChanged': entry<{
    procedure: string
    connection: string
    differences: string
    classes: readonly string[]
  }>({
    code: 'SLU3030',
    title: 'A procedure returns other columns than its contract.',
    message: ({ procedure, connection, differences }) =>
      `${procedure} returns other columns than its contract; no row was accepted.\n${differences}\nSee all that it returns: sluice crawl ${connection}`,
    hint: ({ classes }) =>
      `${tableAsItWas} Change \`columns\`${
        classes.every((one) => one === 'additive' || one === 'widening')
          ? `, or take such differences with evolve: '${classes.includes('widening') ? 'widening' : 'additive'}'`
          : ''
      }, then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Faults SR-04 and SR-05. additive: columns were added or reordered. widening: a type grew, so that values may come that the contract does not hold. lossy: a type became another or narrower. destructive: a column is missing or renamed, or names are empty or come twice. `evolve` takes the first, or the first two; what the contract does not name is then left out, and a value that it does not hold goes to quarantine.',
  }),
  'Source.ResultSet': entry<{ procedure: string; set: number; why: string }>({
    code: 'SLU3031',
    title: 'A procedure returns other result sets than are declared.',
    message: ({ procedure, set, why }) => `The result set ${set} of ${procedure} ${why}.`,
    hint: () =>
      `${tableAsItWas} Declare a source for each result set, with its number as \`resultSet\`, then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault SR-04.',
  }),
  'Source.RowsLost': entry<{ procedure: string; server: number; received: number }>({
    code: 'SLU3032',
    title: 'A server counted other rows than arrived.',
    message: ({ procedure, server, received }) =>
      `The server counted ${server} rows of ${procedure}, and ${received} arrived.`,
    hint: () => `${tableAsItWas} The call is made again, whole, by: sluice retry`,
    retry: 'transient',
    exit: 1,
    explanation: 'Fault SR-01.',
  }),
  'Source.ReturnCode': entry<{ procedure: string; code: string; expected: string }>({
    code: 'SLU3033',
    title: 'A procedure returned a code that does not mean success.',
    message: ({ procedure, code, expected }) =>
      `${procedure} returned ${code}; success is ${expected}. Its rows were discarded.`,
    hint: () => `${tableAsItWas} Where that code means success, declare it with \`returnCodes\`, then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault SR-02.',
  }),
  'Source.OutputDiffers': entry<{ procedure: string; output: string; found: string; expected: string }>({
    code: 'SLU3034',
    title: 'An output parameter is not what it must be.',
    message: ({ procedure, output, found, expected }) =>
      `The output "${output}" of ${procedure} is ${found}, and must be ${expected}. Its rows were discarded.`,
    hint: () => `${tableAsItWas} When the procedure is mended, run: sluice retry`,
    retry: 'terminal',
    exit: 1,
  }),
  'Source.MessageRefused': entry<{ procedure: string; code: string; text: string }>({
    code: 'SLU3035',
    title: 'A procedure said something, and its source takes that for a failure.',
    message: ({ procedure, code, text }) => `${procedure} said (${code}): ${text}. Its rows were discarded.`,
    hint: () => `This source is declared with messages: 'fail'. ${tableAsItWas}`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault SR-03.',
  }),
  'Source.EachTable': entry<{ procedure: string; table: string; why: string }>({
    code: 'SLU3039',
    title: 'There is nothing to call a procedure for.',
    message: ({ procedure, table, why }) => `${procedure} is called for each value of ${table}, which ${why}.`,
    hint: () => 'Nothing was called. See what there is: sluice catalog',
    retry: 'terminal',
    exit: 1,
  }),
  'Source.Interrupted': entry<{ run: string }>({
    code: 'SLU3040',
    title: 'A run ended in the middle of a call.',
    message: ({ run }) => `The run ${run} ended in the middle of this call, without a word.`,
    hint: () => tableAsItWas,
    retry: 'terminal',
    exit: 1,
    explanation: 'Stands in the execution log only; the next run calls again.',
  }),
  'Source.ClockBehind': entry<{ procedure: string; table: string; watermark: string; now: string }>({
    code: 'SLU3041',
    title: 'The clock is behind the watermark of a table.',
    message: ({ procedure, table, watermark, now }) =>
      `The rows of ${procedure} were taken up to ${watermark}, and it is only ${now}: what changes until then would be in no window of ${table}.`,
    hint: ({ table }) =>
      `Nothing was called; the table is as it was. Correct the clock. Where it is right, an earlier run's was ahead: find the version before that run with sluice show ${table} --versions, make it current with sluice rollback ${table} <version>, then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Fault SR-08. A clock that was set back by less than the lag and the overlap of a window costs nothing.',
  }),
  'Source.RecordTooLong': entry<{ procedure: string; bytes: number; limit: number }>({
    code: 'SLU3042',
    title: 'A row of a procedure is too long.',
    message: ({ procedure, bytes, limit }) =>
      `${procedure} returned a row of ${bytes} bytes, and ${limit} is the most that a bulk copy may have.`,
    hint: () => `${tableAsItWas} Let the procedure return such values in parts, or leave them out, then: sluice run`,
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault IN-19. Memory stays flat, however large a result is; a row is held whole.',
  }),
  'Source.RecordTooLarge': entry<{ file: string; line: number; offset: number; bytes: number }>({
    code: 'SLU3080',
    title: 'A record is too large to be read, or to be held as a refused row.',
    message: ({ file, line, offset, bytes }) =>
      line === 0
        ? `"${file}" has a record of ${bytes} bytes, for which the memory of the engine is too small. Nothing of it was published.`
        : `"${file}" has a record of ${bytes} bytes or more at line ${line} (byte ${offset}), which is too large. Nothing of it was published.`,
    hint: () =>
      `Look for a quote that is never closed, a wrong recordEnd, or a file of another kind. If it is genuine, raise limits: { maxRecordBytes, maxFieldBytes } of the source and engine.memoryLimit. ${inErrorFolder}`,
    retry: 'terminal',
    exit: 1,
    explanation:
      'Fault IN-19. A refused row is held with its bytes up to 16 MiB; beyond, the file is refused, and holds the record in the error folder.',
  }),
}
