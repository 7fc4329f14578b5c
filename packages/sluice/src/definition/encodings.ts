/** The encodings that a file of text may be declared to have. */
export const encodings = [
  'utf-8',
  'utf-16le',
  'utf-16be',
  'latin1',
  'iso-8859-2',
  'iso-8859-5',
  'iso-8859-7',
  'iso-8859-9',
  'iso-8859-15',
  'windows-874',
  'windows-1250',
  'windows-1251',
  'windows-1252',
  'windows-1253',
  'windows-1254',
  'windows-1255',
  'windows-1256',
  'windows-1257',
  'windows-1258',
  'cp437',
  'cp850',
  'cp852',
  'cp858',
  'cp866',
] as const

/** One of {@link encodings}. */
export type Encoding = (typeof encodings)[number]
