/** 3xxx: sources. */
import { entry } from './entry.ts'

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
}
