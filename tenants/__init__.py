"""Who may send, and as whom.

`keys`, `members`   an API key and its scopes; a person and their role
`files`             what a tenant uploaded once, to attach it often
`domains`           the DNS names a tenant may send from
`quotas`            how much, how fast
`tenancy`           the tenant itself: the isolation boundary of every row
`audit`             who changed what
"""
