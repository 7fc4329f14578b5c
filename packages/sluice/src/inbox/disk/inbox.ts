/** An inbox on a local disk: files below a folder, read where they are. */
import { resolve } from 'node:path'
import type { Inbox } from '../inbox.ts'
import { fileAt, findFiles } from './list.ts'

/**
 * Opens the inbox below a folder.
 *
 * @example for await (const { path } of diskInbox('/project').list('inbox/*.csv')) console.log(path)
 */
export function diskInbox(root: string): Inbox {
  const base = resolve(root)
  return {
    async *list(pattern, passed) {
      yield* findFiles(base, pattern, passed)
    },
    stat: async (path) => fileAt(base, path),
    async open({ path, identity }) {
      if (fileAt(base, path)?.identity !== identity) return undefined
      return { file: resolve(base, path), [Symbol.asyncDispose]: async () => {} }
    },
    // What moves files is imported when there is one to move.
    settle: async (moves) => (await import('./settle.ts')).settleFiles(base, moves),
    put: async (path, bytes) => (await import('./settle.ts')).putFile(base, path, bytes),
  }
}
