/** Which paths storage takes: none that can leave its root. */
import { sluiceError } from '../base/errors.ts'

/**
 * The parts of a relative path; '' is the root itself and has none.
 *
 * @example pathParts('raw/sales') // ['raw', 'sales']
 * @throws `Storage.UnsafePath` for an absolute path, `..`, `.`, an empty part, a backslash, a NUL or a part over 255 bytes.
 */
export function pathParts(path: string): readonly string[] {
  if (path === '') return []
  const parts = path.split('/')
  for (const part of parts) {
    const why = unsafe(part)
    if (why !== undefined) throw sluiceError('Storage.UnsafePath', { path, why })
  }
  return parts
}

function unsafe(part: string): string | undefined {
  if (part === '') return 'it is absolute, or has an empty part'
  if (part === '.' || part === '..') return `it has the part "${part}"`
  if (part.includes('\0')) return 'it has a NUL character'
  // A separator on Windows.
  if (part.includes('\\')) return 'it has a backslash'
  if (Buffer.byteLength(part) > 255) return 'a part of it is longer than 255 bytes'
  return undefined
}
