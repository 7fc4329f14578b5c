/** How a connection logs in, as the driver names it. */
import type { ConnectionConfiguration } from 'tedious'
import type { ConnectionSettings } from '../connection.ts'

/**
 * The driver's authentication of a login.
 *
 * @example authentication({ ...settings, login: { kind: 'ntlm', domain: 'CORP' } }).type // 'ntlm'
 */
export function authentication({
  user: userName,
  password,
  login,
}: ConnectionSettings): NonNullable<ConnectionConfiguration['authentication']> {
  switch (login?.kind) {
    case undefined:
      return { type: 'default', options: { userName, password } }
    case 'ntlm':
      return { type: 'ntlm', options: { userName, password, domain: login.domain } }
    case 'entra-password': {
      const { clientId, tenantId } = login
      // Without a tenant, the driver asks the common one.
      return { type: 'azure-active-directory-password', options: { userName, password, clientId, tenantId: tenantId! } }
    }
    case 'entra-token':
      return { type: 'azure-active-directory-access-token', options: { token: login.token } }
    case 'entra-service-principal': {
      const { clientId, clientSecret, tenantId } = login
      return { type: 'azure-active-directory-service-principal-secret', options: { clientId, clientSecret, tenantId } }
    }
    case 'entra-managed-identity':
      return { type: 'azure-active-directory-msi-vm', options: clientOf(login) }
    case 'entra-default':
      return { type: 'azure-active-directory-default', options: clientOf(login) }
  }
}

const clientOf = ({ clientId }: { readonly clientId?: string }) => (clientId === undefined ? {} : { clientId })
