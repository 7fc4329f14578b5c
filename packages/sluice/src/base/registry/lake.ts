/** 45xx: storage and the lake. */
import { entry } from './entry.ts'

/** Errors of storage and the lake. */
export const lakeErrors = {
  'Lake.FileCorrupt': entry<{ file: string; expected: string; found: string }>({
    code: 'SLU4501',
    title: 'A data file is not what was committed.',
    message: ({ file, expected, found }) => `"${file}" is damaged: its record says ${expected}, the file has ${found}.`,
    hint: () =>
      'Other tables are unharmed. Go back to an intact version, or make the table again, with: sluice show <table> --versions',
    retry: 'terminal',
    exit: 1,
    explanation: 'Fault LK-03.',
  }),
}
