import type { TypeContext } from './types.ts'
export async function testDecoder(
  _context: TypeContext,
  _connections: object,
  _v: { found: string; expected: string },
): Promise<void> {}
